import { AskedJob } from '../asked-job.ts'
import { jobOf } from '../openai-job.ts'
import { OpenAiError } from '../openai-errors.ts'
import { CHAT, RESPONSES, readBody } from '../openai-request.ts'
import { nameOf } from '../retried-requests.ts'
import { priorityOf } from '../service-tier.ts'
import { ignoredIn } from '../text-only.ts'
import { chatBody } from './chat-body.ts'
import { conversationOf } from './response-items.ts'
import { ignoredNames, inResponseTerms } from './response-params.ts'
import { readResponseFields } from './response-request.ts'
import { itemsUpTo } from './stored-response.ts'
import type { Context } from 'hono'
import type { Job } from '../../../job.ts'
import type { HttpEnv } from '../../context.ts'
import type { BudgetedOptions } from '../openai-options.ts'
import type { OpenAiRequest, SentBody } from '../openai-request.ts'
import type { MapParam } from './response-params.ts'
import type { ResponseRequest } from './response-request.ts'
import type { Echo, Item, StoredResponse } from './response-types.ts'

/** A request for a response. Nothing here but the job is large. */
export interface AskedResponse {
  readonly asked: AskedJob
  readonly echo: Echo
  readonly isStream: boolean
  readonly responseParam: MapParam
}

/** Reads a request and makes its job: a chat completion, which every worker can be asked for. */
export async function readAskedResponse(
  c: Context<HttpEnv>,
  options: BudgetedOptions,
): Promise<AskedResponse> {
  const { sent, share } = await readBody(c, CHAT, options)
  try {
    const request = readResponseFields(sent.source, sent.fields, sent.model)
    const earlier = await itemsUpTo(request.previousId, options, share)
    const { chat, echo, responseParam, stored } = inChatTerms(request, sent, earlier, options)
    const { source: _, fields: __, ...rest } = chat
    const about = {
      facts: { ...rest, encodingFormat: 'float' } as const,
      ignored: ignoredNames(request.ignored, ignoredIn(chat), responseParam),
      name: nameOf({ ...sent, endpoint: RESPONSES }),
    }
    const job = { ...chatJob(chat, responseParam, options), ...stored }
    const asked = new AskedJob(about, job, share)
    return { asked, echo, isStream: request.isStream, responseParam }
  } catch (error) {
    share.release()
    throw error
  }
}

/** `earlier` are the items of the response that this one continues. */
function inChatTerms(
  request: ResponseRequest,
  sent: SentBody,
  earlier: readonly Item[],
  { v1 }: Pick<BudgetedOptions, 'v1'>,
) {
  const input = conversationOf(earlier, request.input)
  const { source, responseParam } = chatBody(request, earlier)
  const { background, store } = request.echo
  const chat: OpenAiRequest = {
    ...sent,
    endpoint: CHAT,
    source,
    fields: JSON.parse(source) as OpenAiRequest['fields'],
    // A client may ask for the stream of a background response later.
    isStream: request.isStream || background,
    wantsUsage: true,
  }
  const { tier } = priorityOf(chat.tier, v1.maxPriorityOf(chat.route.queue))
  const echo = { ...request.echo, service_tier: tier ?? 'default' }
  const kept = { kept: JSON.stringify({ v: 1, echo, input } satisfies StoredResponse) }
  return { chat, echo, responseParam, stored: background || store ? kept : {} }
}

function chatJob(
  chat: OpenAiRequest,
  responseParam: MapParam,
  { v1 }: Pick<BudgetedOptions, 'v1'>,
): Job {
  try {
    return jobOf(chat, '', v1)
  } catch (error) {
    throw inWordsOfRequest(error, responseParam)
  }
}

/** What the chat completion lacks or has wrong, by the name that the client gave it. */
export const inWordsOfRequest = (error: unknown, responseParam: MapParam): unknown =>
  error instanceof OpenAiError ? inResponseTerms(error, responseParam) : error

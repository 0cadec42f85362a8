import { OWNER } from '../../../job.ts'
import { CHAT } from '../openai-request.ts'
import { OpenAiError } from '../openai-errors.ts'
import { jobOf } from '../openai-job.ts'
import { priorityOf } from '../service-tier.ts'
import { chatBody } from './chat-body.ts'
import type { Job } from '../../../job.ts'
import type { OpenAiOptions } from '../openai-options.ts'
import type { OpenAiRequest, SentBody } from '../openai-request.ts'
import type { MapParam } from './response-params.ts'
import type { ResponseRequest } from './response-request.ts'
import type { Echo, Item, StoredResponse } from './response-types.ts'

/** A request for a response, as the job that answers it. */
export interface ResponseJob {
  readonly job: Job
  /** The chat completion that the worker is asked for. */
  readonly chat: OpenAiRequest
  readonly echo: Echo
  /** The response can be read later. */
  readonly isStored: boolean
  readonly responseParam: MapParam
}

/** `earlier` are the items of the response that this one continues. */
export function responseJob(
  request: ResponseRequest,
  sent: SentBody,
  earlier: readonly Item[],
  { id, v1 }: Pick<OpenAiOptions, 'v1'> & { readonly id: string },
): ResponseJob {
  const { source, responseParam } = chatBody(request, earlier)
  const { background, store } = request.echo
  const isStored = background || store
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
  const stored: StoredResponse = { v: 1, echo, input: [...earlier, ...request.input] }
  const kept = isStored ? { kept: JSON.stringify(stored) } : {}
  return inNamesOfResponse(responseParam, () => {
    const job = { ...jobOf(chat, id, v1), owner: OWNER, ...kept }
    return { job, chat, echo, isStored, responseParam }
  })
}

/** What the chat completion lacks or has wrong, by the name that the client gave it. */
function inNamesOfResponse<T>(responseParam: MapParam, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw renamed(error, responseParam)
  }
}

/** An error that names a field of the chat completion names the field of the response instead. */
export function renamed(error: unknown, responseParam: MapParam): unknown {
  if (!(error instanceof OpenAiError) || error.object.param === null) return error
  const { message, param, ...object } = error.object
  const name = responseParam(param)
  const { status, retryAfterS } = error
  return new OpenAiError(status, message.replace(param, name), {
    ...object,
    param: name,
    retryAfterS,
  })
}

import { GatewayError, isRejection } from '../../../errors.ts'
import { hasEnded } from '../../../job.ts'
import { clientOf, replayed, serverTiming } from '../../context.ts'
import { responseId } from '../../job-id.ts'
import { sendEvents } from '../../sse.ts'
import { HOLD_MS, heldBack } from '../held-back.ts'
import { JobContent } from '../job-content.ts'
import { failureOf, openAiErrorOf } from '../openai-errors.ts'
import { conflictOfKey, keyOf, waitOf } from '../openai-headers.ts'
import { CHAT, RESPONSES, readBody } from '../openai-request.ts'
import { joinOrBegin, nameOf } from '../retried-requests.ts'
import { ignoredIn } from '../text-only.ts'
import { inWordsOfRequest, responseJob } from './response-job.ts'
import { responseNow } from './response-now.ts'
import { ignoredNames } from './response-params.ts'
import { readResponseFields } from './response-request.ts'
import { ResponseWriter, secondsOf } from './response-writer.ts'
import { itemsUpTo, responseOf } from './stored-response.ts'
import type { Context } from 'hono'
import type { JobEvent, Outcome } from '../../../job.ts'
import type { HttpEnv } from '../../context.ts'
import type { BudgetedOptions, OpenAiOptions } from '../openai-options.ts'
import type { ResponseJob } from './response-job.ts'
import type { ResponseRequest } from './response-request.ts'

/** What is left of a request that was read: a frame that waits for the outcome must not hold its body. */
interface AskedResponse extends Pick<ResponseJob, 'echo' | 'responseParam'> {
  readonly content: JobContent
  readonly isStream: boolean
  readonly headers: Readonly<Record<string, string>>
  /** Equal requests have the same name. */
  readonly name: string
}

/** `POST /v1/responses`. */
export async function createResponse(
  c: Context<HttpEnv>,
  options: BudgetedOptions,
): Promise<Response> {
  const key = keyOf(c)
  const asked = await readAsked(c, options)
  try {
    const { name } = asked
    if (key === undefined) {
      return await joinOrBegin(
        options.v1.unanswered,
        { name, newId: () => responseId(undefined) },
        (id, isAgain) => answer(c, asked, { options, id, hasKey: false, isAgain }),
      )
    }
    return await answer(c, asked, { options, id: responseId(key), hasKey: true, isAgain: false })
  } catch (error) {
    throw key === undefined ? error : conflictOfKey(error)
  } finally {
    asked.content.close()
  }
}

/** A response is the answer to a chat, so its model must serve those. */
function readAsked(c: Context<HttpEnv>, options: BudgetedOptions): Promise<AskedResponse> {
  return readBody(c, CHAT, options, async (sent, share) => {
    const request = readResponseFields(sent.source, sent.fields, sent.model)
    const earlier = await itemsUpTo(request.previousId, options)
    const made = responseJob(request, sent, earlier, { id: '', v1: options.v1 })
    const { job, echo, responseParam } = made
    return {
      content: new JobContent(job, share),
      echo,
      responseParam,
      isStream: request.isStream,
      headers: ignoredHeader(request, made),
      name: nameOf({ ...sent, endpoint: RESPONSES }),
    }
  })
}

/** What had no effect, in the words of the request. */
function ignoredHeader(
  { ignored }: ResponseRequest,
  { chat, responseParam }: ResponseJob,
): Record<string, string> {
  const names = ignoredNames(ignored, ignoredIn(chat), responseParam)
  return names === undefined ? {} : { 'x-ignored-parameters': names }
}

interface AnswerOptions {
  readonly options: OpenAiOptions
  readonly id: string
  readonly hasKey: boolean
  /** An equal request has begun the job, and its client got no outcome. */
  readonly isAgain: boolean
}

async function answer(
  c: Context<HttpEnv>,
  asked: AskedResponse,
  of: AnswerOptions,
): Promise<Response> {
  const { id } = of
  const { limits, v1 } = of.options
  c.env.jobId = id
  if (!asked.echo.background) return asked.isStream ? stream(c, asked, of) : wait(c, asked, of)
  await v1.background.enter(id, limits.jobTtlMs)
  try {
    return await (asked.isStream ? stream(c, asked, of) : submit(asked, of))
  } catch (error) {
    if (willNotRun(error)) await v1.background.leave(id)
    throw error
  }
}

const headersOf = ({ headers }: AskedResponse, { id, isAgain }: AnswerOptions) => ({
  'x-job-id': id,
  ...replayed(isAgain),
  ...headers,
})

const willNotRun = (error: unknown): boolean =>
  error instanceof GatewayError && isRejection(error.code) && error.code !== 'acceptance_unknown'

/** The answer comes with the outcome. */
async function wait(
  c: Context<HttpEnv>,
  asked: AskedResponse,
  of: AnswerOptions,
): Promise<Response> {
  const { options, id, hasKey } = of
  const { gateway, limits } = options
  const { echo, responseParam } = asked
  const { job, content } = asked.content.under(id)
  const client = clientOf(c.env.outgoing)
  const waitMs = waitOf(c, limits.timeoutMs)
  const { outcome, view, isReplay, stages } = await gateway.run(job, {
    client,
    waitMs,
    mayReturn: hasKey,
    content,
  })
  if (outcome.kind !== 'succeeded') throw inWordsOfRequest(failureOf(outcome), responseParam)
  const frame = { id, createdAt: secondsOf(view.createdAt), echo }
  const timing = { 'server-timing': serverTiming(stages) }
  return Response.json(responseNow(frame, view), {
    headers: { ...timing, ...headersOf(asked, of), ...replayed(isReplay) },
  })
}

/** The answer comes as soon as the job is accepted. */
async function submit(asked: AskedResponse, of: AnswerOptions): Promise<Response> {
  const { options, id } = of
  const { echo } = asked
  const { view, isReplay } = await options.gateway.submit(asked.content.under(id).job)
  const response = await responseOf(id, { echo, view }, options)
  return Response.json(response, { headers: { ...headersOf(asked, of), ...replayed(isReplay) } })
}

async function stream(
  c: Context<HttpEnv>,
  asked: AskedResponse,
  of: AnswerOptions,
): Promise<Response> {
  const { options, id, hasKey } = of
  const { gateway, log, v1 } = options
  const { echo, responseParam } = asked
  const { job, content } = asked.content.under(id)
  const { background: isKept } = echo
  const client = clientOf(c.env.outgoing)
  const events = gateway.stream(job, { client, isKept, mayReturn: hasKey, content })
  const batches = isKept
    ? untilEnded(events, () => v1.background.leave(id))
    : refusedAtOnce(heldBack(events, HOLD_MS), (outcome) =>
        inWordsOfRequest(failureOf(outcome), responseParam),
      )
  const errorOf = (error: unknown) => openAiErrorOf(error, c, log).object
  const writer = new ResponseWriter({ id, echo, after: -1, errorOf })
  return sendEvents(c, batches, writer, headersOf(asked, of))
}

/** The same events; `onEnd` runs when the job has ended. */
export async function* untilEnded(
  batches: AsyncGenerator<readonly JobEvent[]>,
  onEnd: () => Promise<void>,
): AsyncGenerator<readonly JobEvent[]> {
  for await (const batch of batches) {
    if (batch.some((event) => event.kind === 'done' && hasEnded(event.view))) await onEnd()
    yield batch
  }
}

type Failure = Extract<Outcome, { readonly kind: 'failed' }>

/** Throws where the engine has refused the request itself, so that the answer has the status of that. */
async function* refusedAtOnce(
  batches: AsyncGenerator<readonly JobEvent[]>,
  errorOf: (outcome: Failure) => unknown,
): AsyncGenerator<readonly JobEvent[]> {
  let isFirst = true
  for await (const batch of batches) {
    const end = batch.at(-1)
    const outcome = isFirst && end?.kind === 'done' ? end.view.outcome : null
    const isRefusal = outcome?.kind === 'failed' && (outcome.status ?? 500) < 500
    if (isRefusal && !batch.some(({ kind }) => kind === 'delta')) throw errorOf(outcome)
    isFirst = false
    yield batch
  }
}

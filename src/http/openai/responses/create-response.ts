import { GatewayError, isRejection } from '../../../errors.ts'
import { hasEnded } from '../../../job.ts'
import { clientOf, replayed, serverTiming } from '../../context.ts'
import { responseId } from '../../job-id.ts'
import { sendEvents } from '../../sse.ts'
import { HOLD_MS, heldBack } from '../held-back.ts'
import { failureOf, openAiErrorOf } from '../openai-errors.ts'
import { conflictOfKey, keyOf, waitOf } from '../openai-headers.ts'
import { RESPONSES, readBody } from '../openai-request.ts'
import { rememberUnanswered, unansweredJob } from '../retried-requests.ts'
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
import type { OpenAiOptions } from '../openai-options.ts'
import type { ResponseJob } from './response-job.ts'
import type { ResponseRequest } from './response-request.ts'

/** `POST /v1/responses`. */
export async function createResponse(
  c: Context<HttpEnv>,
  options: OpenAiOptions,
): Promise<Response> {
  const key = keyOf(c)
  const sent = await readBody(c, options)
  const request = readResponseFields(sent.source, sent.fields, sent.model)
  const earlier = await itemsUpTo(request.previousId, options)
  const { unanswered } = options.v1
  const again = { ...sent, endpoint: RESPONSES }
  const before = key === undefined ? await unansweredJob(unanswered, again) : undefined
  const id = before ?? responseId(key)
  const asked = responseJob(request, sent, earlier, { id, v1: options.v1 })
  c.env.jobId = id
  const headers = {
    'x-job-id': id,
    ...replayed(before !== undefined),
    ...ignoredHeader(request, asked),
  }
  try {
    return await answer(c, request, asked, { options, headers, hasKey: key !== undefined })
  } catch (error) {
    if (key !== undefined) throw conflictOfKey(error)
    await rememberUnanswered(unanswered, again, id, error)
    throw error
  }
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
  readonly headers: Readonly<Record<string, string>>
  readonly hasKey: boolean
}

async function answer(
  c: Context<HttpEnv>,
  { isStream }: ResponseRequest,
  asked: ResponseJob,
  of: AnswerOptions,
): Promise<Response> {
  const { job, echo } = asked
  const { limits, v1 } = of.options
  if (!echo.background) return isStream ? stream(c, asked, of) : wait(c, asked, of)
  await v1.background.enter(job.id, limits.jobTtlMs)
  try {
    return await (isStream ? stream(c, asked, of) : submit(asked, of))
  } catch (error) {
    if (willNotRun(error)) await v1.background.leave(job.id)
    throw error
  }
}

const willNotRun = (error: unknown): boolean =>
  error instanceof GatewayError && isRejection(error.code) && error.code !== 'acceptance_unknown'

/** The answer comes with the outcome. */
async function wait(
  c: Context<HttpEnv>,
  { job, echo, responseParam }: ResponseJob,
  { options, headers, hasKey }: AnswerOptions,
): Promise<Response> {
  const { gateway, limits } = options
  const client = clientOf(c.env.outgoing)
  const waitMs = waitOf(c, limits.timeoutMs)
  const { outcome, view, isReplay, stages } = await gateway.run(job, {
    client,
    waitMs,
    mayReturn: hasKey,
  })
  if (outcome.kind !== 'succeeded') throw inWordsOfRequest(failureOf(outcome), responseParam)
  const frame = { id: job.id, createdAt: secondsOf(view.createdAt), echo }
  const timing = { 'server-timing': serverTiming(stages) }
  return Response.json(responseNow(frame, view), {
    headers: { ...timing, ...headers, ...replayed(isReplay) },
  })
}

/** The answer comes as soon as the job is accepted. */
async function submit(
  { job, echo }: ResponseJob,
  { options, headers }: AnswerOptions,
): Promise<Response> {
  const { view, isReplay } = await options.gateway.submit(job)
  const response = await responseOf(job.id, { echo, view }, options)
  return Response.json(response, { headers: { ...headers, ...replayed(isReplay) } })
}

async function stream(
  c: Context<HttpEnv>,
  { job, echo, responseParam }: ResponseJob,
  { options, headers, hasKey }: AnswerOptions,
): Promise<Response> {
  const { gateway, log, v1 } = options
  const { background: isKept } = echo
  const client = clientOf(c.env.outgoing)
  const events = gateway.stream(job, { client, isKept, mayReturn: hasKey })
  const batches = isKept
    ? untilEnded(events, () => v1.background.leave(job.id))
    : refusedAtOnce(heldBack(events, HOLD_MS), (outcome) =>
        inWordsOfRequest(failureOf(outcome), responseParam),
      )
  const errorOf = (error: unknown) => openAiErrorOf(error, c, log).object
  const { pingMs } = v1
  const writer = new ResponseWriter({ id: job.id, echo, after: -1, errorOf, pingMs })
  return sendEvents(c, batches, writer, headers)
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

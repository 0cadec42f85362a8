import { GatewayError, isRejection } from '../../../errors.ts'
import { OWNER, hasEnded } from '../../../job.ts'
import { clientOf, replayed, serverTiming } from '../../context.ts'
import { responseId } from '../../job-id.ts'
import { sendEvents } from '../../sse.ts'
import { HOLD_MS, heldBack } from '../held-back.ts'
import { failureOf, openAiErrorOf } from '../openai-errors.ts'
import { conflictOfKey, keyOf, waitOf } from '../openai-headers.ts'
import { joinOrBegin } from '../retried-requests.ts'
import { inWordsOfRequest, readAskedResponse } from './response-job.ts'
import { responseNow } from './response-now.ts'
import { ResponseWriter, secondsOf } from './response-writer.ts'
import { responseOf } from './stored-response.ts'
import type { Context } from 'hono'
import type { JobEvent, Outcome } from '../../../job.ts'
import type { HttpEnv } from '../../context.ts'
import type { BudgetedOptions, OpenAiOptions } from '../openai-options.ts'
import type { AskedResponse } from './response-job.ts'

/** `POST /v1/responses`. */
export async function createResponse(
  c: Context<HttpEnv>,
  options: BudgetedOptions,
): Promise<Response> {
  const key = keyOf(c)
  // A body may be large, so a gateway that is full refuses the request without it.
  options.gateway.look()
  const response = await readAskedResponse(c, options)
  const { asked } = response
  const under = (id: string, isAgain: boolean): Promise<Response> =>
    answer(c, response, { id, options, isAgain, hasKey: key !== undefined })
  try {
    if (key !== undefined) return await under(responseId(key), false)
    return await joinOrBegin(options.v1.unanswered, asked.name, responseId, under)
  } catch (error) {
    throw key === undefined ? error : conflictOfKey(error)
  } finally {
    asked.close()
  }
}

interface AnswerOptions {
  readonly id: string
  readonly options: OpenAiOptions
  readonly hasKey: boolean
  /** An equal request has begun the job, and its client got no outcome. */
  readonly isAgain: boolean
}

async function answer(
  c: Context<HttpEnv>,
  response: AskedResponse,
  of: AnswerOptions,
): Promise<Response> {
  const { echo, isStream } = response
  const { id } = of
  const { v1 } = of.options
  c.env.jobId = id
  if (!echo.background) return isStream ? stream(c, response, of) : wait(c, response, of)
  const isFirst = await enter(of)
  try {
    return await (isStream ? stream(c, response, of) : submit(response, of))
  } catch (error) {
    // Where an earlier request has begun the job, a refusal of this one says nothing of it.
    if (isFirst && willNotRun(error)) await v1.background.leave(id)
    throw error
  }
}

/** Whether the job is new. One that a request with the same key has begun needs no place among the others. */
async function enter({ id, hasKey, options }: AnswerOptions): Promise<boolean> {
  const { gateway, limits, v1 } = options
  try {
    return await v1.background.enter(id, limits.jobTtlMs)
  } catch (error) {
    const view = hasKey
      ? await gateway.view({ id, owner: OWNER }).catch(() => undefined)
      : undefined
    if (view === undefined || (hasEnded(view) && view.status !== 'succeeded')) throw error
    return false
  }
}

function headersOf({ asked }: AskedResponse, { id, isAgain }: AnswerOptions) {
  const { ignored } = asked
  return {
    'x-job-id': id,
    ...replayed(isAgain),
    ...(ignored !== undefined && { 'x-ignored-parameters': ignored }),
  }
}

const willNotRun = (error: unknown): boolean =>
  error instanceof GatewayError && isRejection(error.code) && error.code !== 'acceptance_unknown'

/** The answer comes with the outcome. */
async function wait(
  c: Context<HttpEnv>,
  response: AskedResponse,
  of: AnswerOptions,
): Promise<Response> {
  const { asked, echo, responseParam } = response
  const { id, options, hasKey: mayReturn } = of
  const { gateway, limits } = options
  const client = clientOf(c.env.outgoing)
  const waitMs = waitOf(c, limits.timeoutMs)
  const { job, content } = asked.under(id)
  const found = await gateway.run(job, { client, waitMs, mayReturn, content })
  const { outcome, view, isReplay, stages } = found
  if (outcome.kind !== 'succeeded') throw inWordsOfRequest(failureOf(outcome), responseParam)
  const frame = { id, createdAt: secondsOf(view.createdAt), echo }
  const timing = { 'server-timing': serverTiming(stages), ...replayed(isReplay) }
  return Response.json(responseNow(frame, view), {
    headers: { ...timing, ...headersOf(response, of) },
  })
}

/** The answer comes as soon as the job is accepted. */
async function submit(response: AskedResponse, of: AnswerOptions): Promise<Response> {
  const { id, options } = of
  const { asked, echo } = response
  const { job, content } = asked.under(id)
  const { view, isReplay } = await options.gateway.submit(job, content)
  const object = await responseOf(id, { echo, view }, options)
  return Response.json(object, { headers: { ...replayed(isReplay), ...headersOf(response, of) } })
}

async function stream(
  c: Context<HttpEnv>,
  response: AskedResponse,
  of: AnswerOptions,
): Promise<Response> {
  const { asked, echo, responseParam } = response
  const { id, options, hasKey: mayReturn } = of
  const { gateway, log, v1 } = options
  const isKept = echo.background
  const { job, content } = asked.under(id)
  const client = clientOf(c.env.outgoing)
  const events = gateway.stream(job, { client, isKept, mayReturn, content })
  const errorOf = (error: unknown) => openAiErrorOf(error, c, log).object
  const refused = (outcome: Failure) => inWordsOfRequest(failureOf(outcome), responseParam)
  const batches = isKept
    ? untilEnded(events, () => v1.background.leave(id))
    : refusedAtOnce(heldBack(events, HOLD_MS), refused)
  const { pingMs } = v1
  const writer = new ResponseWriter({ id, echo, after: -1, errorOf, pingMs })
  return sendEvents(c, batches, writer, headersOf(response, of))
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

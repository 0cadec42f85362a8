import { GatewayError } from '../../errors.ts'
import { RETRY_AFTER_S, STATUS, clientErrorOf, retryAfter } from '../errors.ts'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorCode } from '../../errors.ts'
import type { Outcome } from '../../job.ts'
import type { Models } from '../../models.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HttpEnv } from '../context.ts'
import type { AnswerError } from '../surface.ts'

/** The object that every client of the OpenAI API reads. All four keys are always there. */
export interface ErrorObject {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string
}

/** An error in the words of this surface: of the request, or as an engine reported it. */
export class OpenAiError extends Error {
  override readonly name = 'OpenAiError'
  readonly status: number
  readonly object: ErrorObject
  /** When the same request may have another answer. */
  readonly retryAfterS: number

  constructor(
    status: number,
    message: string,
    {
      type = typeOf(status),
      param = null,
      code,
      retryAfterS = RETRY_AFTER_S,
    }: Partial<ErrorObject> & { code: string; retryAfterS?: number },
  ) {
    super(message)
    this.status = status
    this.object = { message, type, param, code }
    this.retryAfterS = retryAfterS
  }
}

const typeOf = (status: number): string => {
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

export const invalidValue = (param: string, message: string): OpenAiError =>
  new OpenAiError(400, message, { param, code: 'invalid_value' })

const modelNotFound = (model: string): OpenAiError =>
  new OpenAiError(404, `the model '${model}' does not exist`, {
    param: 'model',
    code: 'model_not_found',
  })

/** There is no route for it: it does not exist, or its workers have not been heard since the start. */
export const modelUnknown = (model: string, models: Models): OpenAiError => {
  const ms = models.settlesInMs()
  if (ms <= 0) return modelNotFound(model)
  return new OpenAiError(
    503,
    `the gateway is still waiting for its workers to announce themselves, and none has announced the model '${model}' so far`,
    {
      param: 'model',
      code: 'model_unknown_yet',
      retryAfterS: Math.ceil(ms / 1000),
    },
  )
}

/** Workers serve the model, and none of them this endpoint. */
export const endpointLacking = (model: string, endpoint: string): OpenAiError =>
  new OpenAiError(400, `the model '${model}' is not served at ${endpoint}`, {
    param: 'model',
    code: 'unsupported_endpoint',
  })

/** Mid-stream, when the text so far is not how the next worker's answer begins. */
export const workerRestarted = (): OpenAiError =>
  new OpenAiError(502, 'the worker was replaced, and its answer begins in another way', {
    code: 'worker_restarted',
  })

/** The engine says so of the worker's own login, which is none of the client's business. */
const OF_THE_WORKER: ReadonlySet<number> = new Set([401, 403, 407])

/** Why a job has no answer that ended in another way than with success. */
export function failureOf(outcome: Exclude<Outcome, { readonly kind: 'succeeded' }> | null): Error {
  if (outcome === null) return new GatewayError('bad_result', 'the result of the job is gone')
  switch (outcome.kind) {
    case 'failed': {
      const { type, message, status, code = 'worker_failed', param = null } = outcome
      if (status === undefined || OF_THE_WORKER.has(status)) {
        return new GatewayError('worker_failed', `${type}: ${message}`)
      }
      return new OpenAiError(status, message, { type, param, code })
    }
    case 'cancelled':
      return new GatewayError('job_cancelled', 'the job was cancelled')
    case 'expired':
      return new GatewayError('job_expired', 'the job expired before it had an outcome')
  }
}

/** Clients would send the request again after these, and it would run once more. */
const NOT_TO_RETRY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'timed_out',
  'job_expired',
  'job_cancelled',
])

export const answerOpenAiError =
  (log: Log): AnswerError =>
  (error, c) => {
    const { status, object, headers: more } = openAiErrorOf(error, c, log)
    const { jobId } = c.env
    const headers: Record<string, string> = { 'content-type': 'application/json', ...more }
    if (jobId !== undefined) headers['x-job-id'] = jobId
    const isFinal = status === 504 || NOT_TO_RETRY.has(object.code as ErrorCode)
    if (isFinal) headers['x-should-retry'] = 'false'
    // Hono's type of statuses lacks 499. No client reads that one: it has left.
    return c.body(JSON.stringify({ error: object }), status as ContentfulStatusCode, headers)
  }

interface Failure {
  readonly status: number
  readonly object: ErrorObject
  readonly headers: Readonly<Record<string, string>>
}

/** The error as the client gets it, with its status where nothing has been sent yet. */
export function openAiErrorOf(error: unknown, c: Context<HttpEnv>, log: Log): Failure {
  if (error instanceof OpenAiError) {
    const { status, object } = error
    // What an engine says may be any text, and the log is for names.
    c.env.code = /^\w{1,64}$/.test(object.code) ? object.code : 'worker_failed'
    // An engine that takes no more requests now may take the same one soon.
    const isBusy = status === 429 || status === 503
    return { status, object, headers: isBusy ? { 'retry-after': String(error.retryAfterS) } : {} }
  }
  const known = clientErrorOf(error, c, log)
  const { code, message } = known
  const status = STATUS[code]
  const { jobId } = c.env
  // The id was made here, so the client learns it from the answer.
  const where =
    code === 'timed_out' && jobId !== undefined
      ? ` within 60 s. It is job ${jobId}: GET /jobs/${jobId}`
      : ''
  const object = { message: message + where, type: typeOf(status), param: null, code }
  return { status, object, headers: retryAfter(known) }
}

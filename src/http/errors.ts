import { STATUS_CODES } from 'node:http'
import { HTTPException } from 'hono/http-exception'
import { GatewayError } from '../errors.ts'
import { faultFields } from '../telemetry/log.ts'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorCode } from '../errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { HttpEnv } from './context.ts'

/** The only table from codes to statuses. A new code does not compile until it has one. */
export const STATUS = {
  bad_request: 400,
  not_found: 404,
  method_not_allowed: 405,
  job_conflict: 409,
  job_cancelled: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  idempotency_conflict: 422,
  client_gone: 499,
  internal: 500,
  worker_failed: 502,
  bad_result: 502,
  results_down: 503,
  broker_down: 503,
  broker_blocked: 503,
  queue_full: 503,
  no_such_queue: 503,
  no_workers: 503,
  overloaded: 503,
  draining: 503,
  acceptance_unknown: 503,
  interrupted: 503,
  timed_out: 504,
  job_expired: 504,
} as const satisfies Record<ErrorCode, number>

/** Codes after which the same request may simply be sent again, after a second. */
const RETRY_AFTER_S = 1

/** After these the job is found at its own place. */
const GOES_ON: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['timed_out', 'interrupted'])

/** One thing wrong with a request, as FastAPI tells it. */
export interface Problem {
  readonly type: string
  /** Where: `body` or `query`, then keys and indices. */
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly input: unknown
}

/** All that is wrong with a request's content; answered as a 422. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super('the request is invalid')
    this.problems = problems
  }
}

/** Every error of every route ends here. What is not ours is logged with its stack and reveals nothing. */
export function answerError(error: unknown, c: Context<HttpEnv>, log: Log): Response {
  if (error instanceof InvalidRequest) return c.json({ detail: error.problems }, 422)
  const problem = problemOf(error, c, log)
  const { status, code, job_id: jobId } = problem
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
  if (jobId !== undefined) headers['x-job-id'] = jobId
  if (jobId !== undefined && GOES_ON.has(code)) headers.location = `/jobs/${jobId}`
  if (status === 503) headers['retry-after'] = String(RETRY_AFTER_S)
  // 499 is nobody's to read: the client has gone.
  return c.body(JSON.stringify(problem), status as ContentfulStatusCode, headers)
}

/** RFC 9457, with a code for programs. */
export function problemOf(error: unknown, c: Context<HttpEnv>, log: Log) {
  const known = knownError(error)
  const status = STATUS[known.code]
  if (known.code === 'internal') {
    const cause = error instanceof GatewayError ? (error.cause ?? error) : error
    log.error({ requestId: c.env.requestId, ...faultFields(cause) }, 'http.internal_error')
  }
  const { jobId } = c.env
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? known.code,
    status,
    detail: known.message,
    code: known.code,
    ...(jobId !== undefined && { job_id: jobId }),
    request_id: c.env.requestId,
  }
}

function knownError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof HTTPException && error.status < 500) {
    return new GatewayError('bad_request', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong on our side', { cause: error })
}

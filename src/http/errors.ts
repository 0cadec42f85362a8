import { HTTPException } from 'hono/http-exception'
import { GatewayError, isRejection } from '../errors.ts'
import { faultFields } from '../telemetry/log.ts'
import { RefusalLog } from '../telemetry/refusal-log.ts'
import type { Context } from 'hono'
import type { ErrorCode } from '../errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { HttpEnv } from './context.ts'

/** The only table from codes to statuses, for every surface. A new code does not compile without a status. */
export const STATUS = {
  bad_request: 400,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  job_conflict: 409,
  job_cancelled: 409,
  body_too_large: 413,
  message_too_large: 413,
  unsupported_media_type: 415,
  expectation_failed: 417,
  idempotency_conflict: 422,
  too_many_background: 429,
  head_too_large: 431,
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

/** The `retry-after` of a 503: the client may send the same request again after this many seconds. */
export const RETRY_AFTER_S = 1

/** The header that invites the client to send the request again: with a 503 or 429, unless an operator has to act first. */
export const retryAfter = ({ code, needsOperator }: GatewayError): Record<string, string> =>
  (STATUS[code] === 503 || STATUS[code] === 429) && !needsOperator
    ? { 'retry-after': String(RETRY_AFTER_S) }
    : {}

/** One for each log. */
const refusalLogs = new WeakMap<Log, RefusalLog>()

/**
 * The error as a client may see it. An error that we did not foresee becomes
 * `internal`: it is logged with its stack, and the client learns nothing of it.
 */
export function clientErrorOf(error: unknown, c: Context<HttpEnv>, log: Log): GatewayError {
  const known = knownError(error)
  c.env.code = known.code
  if (isRejection(known.code)) {
    const refusals = refusalLogs.get(log) ?? new RefusalLog(log)
    refusalLogs.set(log, refusals)
    refusals.tell(known)
  }
  if (known.code === 'internal') {
    const cause = error instanceof GatewayError ? (error.cause ?? error) : error
    log.error({ requestId: c.env.requestId, ...faultFields(cause) }, 'http.internal_error')
  }
  return known
}

function knownError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof HTTPException && error.status < 500) {
    return new GatewayError('bad_request', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong on our side', { cause: error })
}

/**
 * What the gateway itself cannot do. Each code says whether the job was
 * accepted, because a client must know whether it may simply try again.
 */
export type ErrorCode =
  // The request is at fault, nothing was accepted.
  | 'not_found'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'bad_request'
  | 'job_conflict'
  | 'idempotency_conflict'
  | 'client_gone'
  // Not accepted: the job will not run, the same request may be sent again.
  | 'results_down'
  | 'broker_down'
  | 'broker_blocked'
  | 'queue_full'
  | 'no_such_queue'
  | 'no_workers'
  | 'overloaded'
  | 'draining'
  // Unknown: the job may run. The same id and payload join it, if it does.
  | 'acceptance_unknown'
  // Accepted: the job runs or has run. The same id and payload fetch its outcome.
  | 'interrupted'
  | 'timed_out'
  | 'worker_failed'
  | 'bad_result'
  | 'job_cancelled'
  | 'job_expired'
  | 'internal'

export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

const REJECTIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'results_down',
  'broker_down',
  'broker_blocked',
  'queue_full',
  'no_such_queue',
  'no_workers',
  'overloaded',
  'draining',
  'acceptance_unknown',
])

/** Whether the job was not taken, or perhaps not, for a reason on our side. */
export const isRejection = (code: ErrorCode): boolean => REJECTIONS.has(code)

/** A message or result that is not of the dialect's form. Never carries the content itself. */
export class WireFormatError extends Error {
  override readonly name = 'WireFormatError'
}

/** Whatever went wrong, as something a client can be told. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof WireFormatError) {
    return new GatewayError('bad_result', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong', { cause: error })
}

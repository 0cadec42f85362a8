/**
 * What the gateway itself cannot do. Each code says whether the job was
 * accepted, because a client must know whether it may simply try again.
 */
export type ErrorCode =
  // The request is at fault, nothing was accepted.
  | 'not_found'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'message_too_large'
  | 'unsupported_media_type'
  | 'bad_request'
  | 'head_too_large'
  | 'request_timeout'
  | 'expectation_failed'
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
  | 'too_many_background'
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
  /** The same request fails again until an operator has changed something: a wrong server, a missing right. */
  readonly needsOperator: boolean

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.needsOperator = options.needsOperator ?? false
  }
}

interface GatewayErrorOptions {
  readonly cause?: unknown
  readonly needsOperator?: boolean
}

/** Why something that the gateway depends on cannot be used. */
interface Unready {
  readonly reason: string
  readonly needsOperator: boolean
}

/** The reason is for the client too where it does not pass by itself. */
const unready =
  (code: ErrorCode, message: string) =>
  ({ reason, needsOperator }: Unready) =>
    new GatewayError(code, needsOperator ? `${message}: ${reason}` : message, {
      cause: new Error(reason),
      needsOperator,
    })

/** Each sentence that the gateway says to a client, once. */
const sentence = (code: ErrorCode, message: string) => (cause?: unknown) =>
  new GatewayError(code, message, { cause })

export const notFound = sentence('not_found', 'there is no job with this id')
export const clientGone = sentence('client_gone', 'the client has left')
export const jobConflict = sentence(
  'job_conflict',
  'this id is running with another payload, or an Idempotency-Key made it for another',
)
export const draining = sentence('draining', 'the gateway is stopping')
export const overloaded = sentence('overloaded', 'too many requests are pending')
export const tooManyBackground = (most: number) =>
  new GatewayError(
    'too_many_background',
    `${most} background responses are queued or running, which is the limit. Try again when one has ended`,
  )
export const noResults = unready('results_down', 'results cannot be received now')
export const notConnected = unready('broker_down', 'the broker is not connected')
export const blocked = sentence('broker_blocked', 'the broker takes no messages now')
export const acceptanceUnknown = sentence(
  'acceptance_unknown',
  'the job may run: its acceptance was not confirmed',
)
export const interrupted = sentence('interrupted', 'the gateway is stopping; the job keeps running')
export const stillRunning = sentence(
  'interrupted',
  'the job is running, but its events cannot be read now',
)
export const runAgain = sentence(
  'interrupted',
  'another request has begun a further run of this job; the same request joins it',
)
export const jobExpired = sentence('job_expired', 'the job expired before it had an outcome')
export const notCancelled = sentence('results_down', 'the job could not be cancelled')

export const noWorkers = (queue: string) =>
  new GatewayError('no_workers', `no worker takes jobs from queue ${queue}`)

export const notPublished = (seconds: number) =>
  new GatewayError('results_down', `no outcome after ${seconds} s: not published`)

/** `withoutWorker`: the queue, where no worker takes jobs from it. */
export const timedOut = (seconds: number, withoutWorker?: string) =>
  new GatewayError(
    'timed_out',
    `no outcome after ${seconds} s${withoutWorker === undefined ? '' : `; no worker takes jobs from queue ${withoutWorker}`}. The same request joins the job again`,
  )

const REJECTIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'results_down',
  'broker_down',
  'broker_blocked',
  'queue_full',
  'no_such_queue',
  'no_workers',
  'overloaded',
  'too_many_background',
  'draining',
  'acceptance_unknown',
  'message_too_large',
])

/** Whether the job was not taken, or perhaps not, for a reason on our side: the operator wants to know. */
export const isRejection = (code: ErrorCode): boolean => REJECTIONS.has(code)

/** A message or result that is not of the dialect's form. Never carries the content itself. */
export class WireFormatError extends Error {
  override readonly name = 'WireFormatError'
}

/** What was thrown, as an error that a client may see. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof WireFormatError) {
    return new GatewayError('bad_result', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong', { cause: error })
}

import { acceptanceUnknown, noWorkers, toGatewayError } from '../errors.ts'
import { isDerivedId, isResponse } from '../job.ts'
import { releaseJob } from './claimed-run.ts'
import { markRun } from './marks.ts'
import type { GatewayError } from '../errors.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { Claimant, Held } from './claimed-run.ts'
import type { Demand } from './demand.ts'
import type { Waiters } from './waiters.ts'

/** A message whose confirm was lost is published again if the broker is back within this time. */
export const REPUBLISH_WITHIN_MS = 10_000
const MAX_PUBLISHES = 3

/**
 * What became of a message. `unknown`: the confirm was lost, so that the job may run.
 * `unwanted`: no client wants to know any more. `refused`: the job will not run.
 */
export type Sent =
  | { readonly kind: 'confirmed' | 'unknown' | 'unwanted' }
  | { readonly kind: 'refused'; readonly error: GatewayError }

/**
 * Whether clients still want the job to be published. If not, a new claim is released. Rejects
 * where a worker is required and none takes jobs from the queue.
 */
export async function mayPublish(
  parts: Pick<GatewayParts, 'broker' | 'dialect' | 'records' | 'log' | 'requireWorkers'>,
  claimant: Claimant,
  { run, verdict }: Held,
  demand: Pick<Demand, 'isUnwanted'>,
): Promise<boolean> {
  const { queue } = claimant.job
  const isFirst = verdict === 'new'
  const lacksWorkers = isFirst && parts.requireWorkers && !(await parts.broker.hasWorkers(queue))
  if (!demand.isUnwanted && !lacksWorkers) return true
  // Of a takeover, the dead replica's message may be queued all the same.
  const isReleased = isFirst && (await releaseJob(parts, claimant, run))
  if (demand.isUnwanted) return false
  throw isReleased ? noWorkers(queue) : acceptanceUnknown()
}

/** The broker has refused the message. Resolves with what its requests get: the job may run all the same. */
export async function releaseRefused(
  parts: Pick<GatewayParts, 'dialect' | 'records' | 'log'>,
  claimant: Claimant,
  { run, verdict }: Held,
  error: GatewayError,
): Promise<GatewayError> {
  // A message that is too large was too large for a replica that died, too.
  const isFirst = verdict === 'new' || error.code === 'message_too_large'
  const isReleased = isFirst && (await releaseJob(parts, claimant, run))
  return isReleased ? error : acceptanceUnknown(error)
}

/** An answer of the broker that came too late for the requests still tells other replicas whether the job runs. */
export function settleLate(
  parts: Pick<GatewayParts, 'dialect' | 'records' | 'log'>,
  claimant: Claimant,
  { run, verdict }: Held,
  { ending }: Pick<Waiters, 'ending'>,
  sent: Sent,
): void {
  if (ending === undefined || !('error' in ending)) return
  if (sent.kind === 'confirmed') markRun(parts, claimant, run, true)
  if (sent.kind === 'refused' && verdict === 'new') void releaseJob(parts, claimant, run)
}

interface PublishOptions {
  readonly demand: Pick<Demand, 'isUnwanted'>
  /** The broker has the message and does not confirm it in time. */
  readonly onLate: () => void
}

/**
 * Hands the job to the broker until it is known whether the broker has it. Never rejects. What
 * is kept of the request is written before: then every job that runs can be shown.
 */
export async function publishUntilKnown(
  { broker, dialect, kept, log }: Pick<GatewayParts, 'broker' | 'dialect' | 'kept' | 'log'>,
  { job, keys, wireId }: Claimant,
  { run, life, remainingMs: lifeMs }: Held,
  { demand, onLate }: PublishOptions,
): Promise<Sent> {
  const bornAt = performance.now()
  const of = { wireId, run, expiresAt: new Date(Date.now() + lifeMs) }
  // Made before the first wait, because the job may be emptied meanwhile.
  const delivery = dialect.encodeJob(job, of)
  // Of all other jobs there is nothing to keep, and nothing of an earlier job with the same id.
  if (job.kept !== undefined || (isResponse(job) && isDerivedId(job.id))) {
    const keeping = job.kept === undefined ? kept.remove(keys) : kept.put(keys, job.kept, life)
    const error = await keeping.then(() => undefined, toGatewayError)
    if (error !== undefined) return { kind: 'refused', error }
  }
  for (let attempt = 1; ; attempt += 1) {
    const expirationMs = lifeMs - (performance.now() - bornAt)
    const message = { queue: job.queue, delivery, messageId: wireId, run, expirationMs, onLate }
    const answer = await broker.publish(message).catch(toGatewayError)
    if (answer === 'confirmed') return { kind: 'confirmed' }
    // The first message may be queued all the same: a refusal of the second one proves nothing,
    // unless it is about the message itself.
    const isProof = attempt === 1 || (answer !== 'lost' && answer.code === 'message_too_large')
    if (answer !== 'lost' && isProof) return { kind: 'refused', error: answer }
    if (answer !== 'lost' && broker.link.ready) return { kind: 'unknown' }
    if (demand.isUnwanted) return { kind: 'unwanted' }
    log.warn({ job: wireId, attempt }, 'job.confirm_lost')
    if (attempt === MAX_PUBLISHES) return { kind: 'unknown' }
    if (!(await broker.link.until(REPUBLISH_WITHIN_MS))) return { kind: 'unknown' }
    if (demand.isUnwanted) return { kind: 'unwanted' }
  }
}

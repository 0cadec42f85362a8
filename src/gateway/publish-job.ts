import { acceptanceUnknown } from './acceptance.ts'
import { GatewayError } from '../errors.ts'
import { ConfirmLost, publishUntilKnown } from './publish.ts'
import type { Acceptance } from './acceptance.ts'
import type { Dialect } from '../dialect.ts'
import type { HeldClaim } from './held-claim.ts'
import type { Job } from '../job.ts'
import type { Broker } from '../rabbitmq/broker.ts'
import type { Log } from '../telemetry/log.ts'

export interface PublishJobParts {
  readonly dialect: Pick<Dialect, 'encodeJob'>
  readonly broker: Pick<Broker, 'publish' | 'link' | 'hasWorkers'>
  /** A job for a queue that nobody takes jobs from is refused. */
  readonly requireWorkers: boolean
  readonly log: Log
}

export interface PublishJobStep {
  readonly job: Job
  readonly wireId: string
  readonly run: string
  /** What is left of the job's life. */
  readonly lifeMs: number
  /** What is known of an earlier publish. */
  readonly before: 'none' | 'unknown'
  readonly claim: Pick<HeldClaim, 'release' | 'mayRunTwice'>
  readonly acceptance: Acceptance
  /** Nobody waits, and nobody was told that it goes on; or somebody that it does not. */
  readonly isUnwanted: () => boolean
  /** The message is about to be sent. */
  readonly onSend: () => void
  readonly onLateConfirm: () => void
}

/**
 * Hands a job that we hold to the broker. Resolves with whether it is known to
 * have it; `false` when nobody wants to know any more. Rejects with the refusal, the
 * claim then released as if nobody had asked, or with `acceptance_unknown`.
 */
export async function publishJob(parts: PublishJobParts, step: PublishJobStep): Promise<boolean> {
  const { job, wireId, run, lifeMs, before, claim, acceptance, isUnwanted } = step
  const { dialect, broker, log } = parts
  if (isUnwanted()) {
    if (before === 'none') await claim.release()
    return false
  }
  if (parts.requireWorkers && before === 'none' && !(await hasWorkers(parts, step))) return false
  step.onSend()
  acceptance.unknown()
  try {
    const delivery = dialect.encodeJob(job, {
      wireId,
      run,
      expiresAt: new Date(Date.now() + lifeMs),
    })
    const isConfirmed = await publishUntilKnown({
      broker,
      publication: { queue: job.queue, delivery, messageId: wireId, run },
      lifeMs,
      isOver: isUnwanted,
      onRepublish: () => (claim.mayRunTwice = true),
      onLateConfirm: step.onLateConfirm,
      log,
    })
    if (isConfirmed) acceptance.accepted()
    return isConfirmed
  } catch (error) {
    // Refused, and never sent before: as if nobody had asked, unless another has taken it over meanwhile.
    const isRefused = before === 'none' && !(error instanceof ConfirmLost)
    if (!isRefused || !(await claim.release())) throw acceptanceUnknown(error)
    acceptance.none()
    throw error
  }
}

/** Rejects where nobody takes jobs from its queue; `false`: nobody wants to know any more. */
async function hasWorkers(
  { broker }: PublishJobParts,
  { job, claim, isUnwanted }: PublishJobStep,
): Promise<boolean> {
  const { queue } = job
  const isWorkedOn = await broker.hasWorkers(queue)
  // Asking takes a while: nobody may wait any more, or has been told that it was not published.
  if (isUnwanted()) {
    await claim.release()
    return false
  }
  if (isWorkedOn) return true
  if (!(await claim.release())) throw acceptanceUnknown(new Error('taken over'))
  throw new GatewayError('no_workers', `no worker takes jobs from queue ${queue}`)
}

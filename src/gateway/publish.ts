import type { Broker, Confirmation, Publication } from '../rabbitmq/broker.ts'
import type { Log } from '../telemetry/log.ts'

/** A message whose confirm was lost is published again if the broker is back within this time. */
const REPUBLISH_WITHIN_MS = 10_000
/** A broker that falls silent is given up by its heartbeat after 10 to 15 s; who asks is told no later. */
const CONFIRM_WITHIN_MS = 15_000
const MAX_PUBLISHES = 3

/** The channel went before the confirm: the message may be queued or not. */
export class ConfirmLost extends Error {
  override readonly name = 'ConfirmLost'
}

export interface PublishOptions {
  readonly broker: Pick<Broker, 'publish' | 'link'>
  readonly publication: Omit<Publication, 'expirationMs'>
  /** What is left of the job's life. */
  readonly lifeMs: number
  /** Nobody wants to know any more. */
  readonly isOver: () => boolean
  /** A second message for the same job is about to be sent. */
  readonly onRepublish: () => void
  /** The confirm came after all, when it was given up. */
  readonly onLateConfirm: () => void
  readonly log: Log
}

/**
 * Publishes until it is known whether the broker has the message. Resolves with
 * `true` when it has, with `false` when nobody wants to know any more. Rejects
 * with the broker's refusal, which means that it will not run, or with
 * `ConfirmLost`, which means that it may.
 */
export async function publishUntilKnown(options: PublishOptions): Promise<boolean> {
  const { broker, publication, lifeMs, isOver, onRepublish, onLateConfirm, log } = options
  const bornAt = performance.now()
  for (let attempt = 1; ; attempt += 1) {
    const expirationMs = lifeMs - (performance.now() - bornAt)
    if (attempt > 1) onRepublish()
    const confirming = broker.publish({ ...publication, expirationMs })
    const confirmation = await within(CONFIRM_WITHIN_MS, confirming).catch((error: unknown) => {
      if (attempt === 1) throw error
      // The first message may be queued all the same: what becomes of the second proves nothing.
      if (broker.link.ready) throw new ConfirmLost()
      return 'lost' as const
    })
    if (confirmation === 'confirmed') return true
    if (confirmation === undefined) {
      const confirmed = (late: Confirmation): void => void (late === 'confirmed' && onLateConfirm())
      confirming.then(confirmed, () => {})
      throw new ConfirmLost()
    }
    if (isOver()) return false
    log.warn({ job: publication.messageId, attempt }, 'job.confirm_lost')
    if (attempt === MAX_PUBLISHES) throw new ConfirmLost()
    if (!(await broker.link.until(REPUBLISH_WITHIN_MS))) throw new ConfirmLost()
    if (isOver()) return false
  }
}

/** What the work comes to, or undefined when it takes longer. */
function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), ms)
    work.then(
      (result) => {
        clearTimeout(timer)
        resolve(result)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error as Error)
      },
    )
  })
}

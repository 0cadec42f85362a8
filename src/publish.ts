import type { Broker, Publication } from './rabbitmq/broker.ts'
import type { Log } from './telemetry/log.ts'

/** A message whose confirm was lost is published again if the broker is back within this time. */
const REPUBLISH_WITHIN_MS = 10_000
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
  readonly log: Log
}

/**
 * Publishes until it is known whether the broker has the message. Resolves with
 * `true` when it has, with `false` when nobody wants to know any more. Rejects
 * with the broker's refusal, which means that it will not run, or with
 * `ConfirmLost`, which means that it may.
 */
export async function publishUntilKnown(options: PublishOptions): Promise<boolean> {
  const { broker, publication, lifeMs, isOver, log } = options
  const bornAt = performance.now()
  for (let attempt = 1; ; attempt += 1) {
    const expirationMs = lifeMs - (performance.now() - bornAt)
    const confirmation = await broker
      .publish({ ...publication, expirationMs })
      .catch((error: unknown) => {
        if (attempt === 1) throw error
        // The first message may be queued all the same: what becomes of the second proves nothing.
        if (broker.link.ready) throw new ConfirmLost()
        return 'lost' as const
      })
    if (confirmation === 'confirmed') return true
    if (isOver()) return false
    log.warn({ job: publication.messageId, attempt }, 'job.confirm_lost')
    if (attempt === MAX_PUBLISHES) throw new ConfirmLost()
    if (!(await broker.link.until(REPUBLISH_WITHIN_MS))) throw new ConfirmLost()
    if (isOver()) return false
  }
}

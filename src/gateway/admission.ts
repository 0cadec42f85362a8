import { blocked, draining, noResults, notConnected, overloaded } from '../errors.ts'
import type { GatewayError } from '../errors.ts'
import type { Link } from '../link.ts'
import type { GatewayParts } from './gateway-parts.ts'

/** A request waits this long for a link that was just lost. In a longer outage it is refused at once. */
export const BLIP_MS = 1_000

/** What requests need that only look at a job, and those that publish one. */
export type Needs = 'results' | 'broker'

/** Where a request that follows a job hears of the stop. */
interface Stoppable {
  put(note: { readonly kind: 'stop' }): void
}

/**
 * The one desk where requests are admitted and counted, whichever route they came by: the
 * limit, the links that must be ready, and the stop.
 */
export class Admission {
  readonly #parts: Pick<GatewayParts, 'resultLinks' | 'broker' | 'maxPending' | 'metrics'>
  /** Requests that follow a job; the stop is a note to each. */
  readonly #followers = new Set<Stoppable>()
  #held = 0
  #isDraining = false
  #onIdle = (): void => {}

  constructor(parts: Pick<GatewayParts, 'resultLinks' | 'broker' | 'maxPending' | 'metrics'>) {
    this.#parts = parts
  }

  /** Requests that are held now. */
  get pending(): number {
    return this.#held
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /**
   * Throws where a request that comes now cannot be held, and counts nothing: asked before a large
   * body is read. `enter` decides.
   */
  look(): void {
    const { maxPending, metrics } = this.#parts
    if (!this.#isDraining && this.#held < maxPending) return
    const refusal = this.#isDraining ? draining() : overloaded()
    metrics.rejected.inc({ reason: refusal.code })
    throw refusal
  }

  /** Counts a request as held, until `leave`. Rejects with why it cannot be, and then does not count it. */
  async enter(needs: Needs, follower?: Stoppable): Promise<void> {
    const { resultLinks, broker, maxPending, metrics } = this.#parts
    this.#held += 1
    if (follower !== undefined) this.#followers.add(follower)
    const isReady =
      resultLinks.every(({ ready }) => ready) && (needs === 'results' || broker.link.ready)
    const refusal =
      (!this.#isDraining && this.#held > maxPending && overloaded()) ||
      (!isReady && !this.#isDraining && (await this.#refusal(needs))) ||
      // Also a stop that began while the request waited for a link.
      (this.#isDraining && draining())
    if (!refusal) return
    this.leave(follower)
    metrics.rejected.inc({ reason: refusal.code })
    throw refusal
  }

  leave(follower?: Stoppable): void {
    if (follower !== undefined) this.#followers.delete(follower)
    this.#held -= 1
    if (this.#held === 0) this.#onIdle()
  }

  /** Admits no request any more. Those that are held get up to `graceMs`, then `onStop` sends them away. */
  async drain(graceMs: number, onStop: () => void): Promise<void> {
    this.#isDraining = true
    if (this.#held === 0) return
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
    const over = setTimeout(() => {
      onStop()
      for (const inbox of this.#followers) inbox.put({ kind: 'stop' })
    }, graceMs)
    await idle
    clearTimeout(over)
  }

  /** Waits for links that were just lost; the reason where one does not come back. */
  async #refusal(needs: Needs): Promise<GatewayError | undefined> {
    const { resultLinks, broker } = this.#parts
    const hasRecovered = async (link: Link): Promise<boolean> =>
      link.ready || link.recovered(BLIP_MS)
    for (const link of resultLinks) if (!(await hasRecovered(link))) return noResults(link)
    if (needs === 'results' || (await hasRecovered(broker.link))) return undefined
    return broker.isBlocked ? blocked() : notConnected(broker.link)
  }
}

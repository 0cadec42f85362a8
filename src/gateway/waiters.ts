import type { GatewayError } from '../errors.ts'
import type { Outcome } from '../job.ts'

/** The sender of a request, which waits for its answer. */
export interface Client {
  readonly isGone: boolean
  /** `listener` runs once when the client has left. It may also run after the answer. */
  onGone(listener: () => void): void
}

/** How a job ended for those who wait for it. */
export type Ending =
  | {
      readonly outcome: Outcome
      /** The outcome was known before the job was asked for here. */
      readonly isReplay: boolean
      /** In ms since 1970. */
      readonly finishedAt: number
      /** When its event came and when it was read, on the monotonic clock in ms. */
      readonly hintedAt?: number | undefined
      readonly readAt: number
    }
  | { readonly error: GatewayError }

/** How a job ended that has an outcome. */
export type Outcomes = Extract<Ending, { readonly outcome: Outcome }>

/** What one wait came to; `over` and `gone` concern this request alone. */
export type WaitResult = Ending | 'accepted' | 'over' | 'gone'

/** The requests of this process that wait for one job. */
export class Waiters {
  ending: Ending | undefined
  #askers = 0
  #isAccepted = false
  /** The function that ends each wait, and what the request waits for. */
  readonly #waiting = new Map<(result: WaitResult) => void, 'ending' | 'accepted'>()

  /** All requests have left. */
  get isEmpty(): boolean {
    return this.#askers === 0
  }

  join(): void {
    this.#askers += 1
  }

  /** Every `join` is followed by one of these. Returns whether it was the last. */
  leave(): boolean {
    this.#askers -= 1
    return this.#askers === 0
  }

  /** The first ending stays; returns whether this was it. */
  end(ending: Ending): boolean {
    if (this.ending !== undefined) return false
    this.ending = ending
    for (const finish of this.#waiting.keys()) finish(ending)
    return true
  }

  /** The broker is known to have the job. */
  accept(): void {
    this.#isAccepted = true
    for (const [finish, until] of this.#waiting) if (until === 'accepted') finish('accepted')
  }

  /** Resolves with the ending, or when the job is accepted, the time is over, or the client is gone. */
  async wait(
    until: 'ending' | 'accepted',
    timeoutMs: number,
    client?: Client,
  ): Promise<WaitResult> {
    if (this.ending !== undefined) return this.ending
    if (until === 'accepted' && this.#isAccepted) return 'accepted'
    if (client?.isGone) return 'gone'
    return new Promise((resolve) => {
      const finish = (result: WaitResult): void => {
        clearTimeout(timer)
        this.#waiting.delete(finish)
        resolve(result)
      }
      const timer = setTimeout(() => finish('over'), timeoutMs)
      // Called after the answer as well, it finds nothing to end.
      client?.onGone(() => finish('gone'))
      this.#waiting.set(finish, until)
    })
  }
}

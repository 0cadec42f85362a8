import type { Client } from './client.ts'
import type { GatewayError } from '../errors.ts'
import type { Outcome } from '../job.ts'

/** How a pending job ended for those who wait for it. */
export type Ending =
  | { readonly outcome: Outcome; readonly isReplay: boolean }
  | { readonly error: GatewayError }

/** What one wait came to; `over` and `gone` concern this waiter alone. */
export type WaitResult = Ending | 'over' | 'gone'

/**
 * Who waits in this process for one job, and the timers that hang on the wait.
 * Open -> ended (an ending is known) or closed (the last asker has left),
 * whichever comes first; after both nothing of it is left.
 */
export class Waiters {
  ending: Ending | undefined
  #askers = 0
  #isClosed = false
  readonly #waiting = new Set<(result: Ending) => void>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #closers: (() => void)[] = []

  /** Nobody waits any more, or there is nothing left to wait for. */
  get isOver(): boolean {
    return this.#isClosed || this.ending !== undefined
  }

  join(): void {
    this.#askers += 1
  }

  /** Every `join` is followed by one of these. The last one closes; returns whether it was the last. */
  leave(): boolean {
    this.#askers -= 1
    if (this.#askers > 0) return false
    this.#isClosed = true
    this.#clearTimers()
    for (const action of this.#closers.splice(0)) action()
    return true
  }

  /** The first ending stands; returns whether this was it. */
  end(ending: Ending): boolean {
    if (this.ending !== undefined) return false
    this.ending = ending
    this.#clearTimers()
    for (const resolve of this.#waiting) resolve(ending)
    return true
  }

  /** Resolves with the ending, or when this waiter's time is over or its client is gone. */
  async wait(timeoutMs: number, client: Client | undefined): Promise<WaitResult> {
    if (this.ending !== undefined) return this.ending
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
      this.#waiting.add(finish)
    })
  }

  /** Runs `action` after `ms`, unless it is over by then or cancelled. */
  later(ms: number, action: () => void): NodeJS.Timeout | undefined {
    if (this.isOver) return undefined
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
    return timer
  }

  cancel(timer: NodeJS.Timeout | undefined): void {
    if (timer === undefined) return
    clearTimeout(timer)
    this.#timers.delete(timer)
  }

  /** `action` runs when the last asker has left. */
  onClose(action: () => void): void {
    if (this.#isClosed) action()
    else this.#closers.push(action)
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

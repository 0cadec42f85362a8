import type { Waiters } from './waiters.ts'

/**
 * What clients know of a job, and what their leaving means.
 *
 * - `asked`: clients wait for it. When the last one leaves, the job is cancelled.
 * - `left`: the last one has left, and may come back by the same id: the job is cancelled when
 *   the grace is over.
 * - `kept`: a client waits for it that may leave: no client's leaving cancels it any more.
 * - `promised`: a client's answer says that it keeps running.
 * - `overdue`: a client's time was over. It keeps running where it was accepted, and is not
 *   published (again) where it was not.
 */
export type Wanted = 'asked' | 'left' | 'kept' | 'promised' | 'overdue'

/** How a job is counted that all requests left before it had an end. */
const LEFT_AS: Readonly<Record<Wanted, string>> = {
  asked: 'client_gone',
  left: 'client_gone',
  kept: 'accepted',
  promised: 'accepted',
  overdue: 'timed_out',
}

/** What the requests of this process want of one job. */
export class Demand {
  readonly #waiters: Pick<Waiters, 'isEmpty' | 'ending'>
  #wanted: Wanted = 'asked'
  #graceEndsAt = 0

  constructor(waiters: Pick<Waiters, 'isEmpty' | 'ending'>) {
    this.#waiters = waiters
  }

  /** No client's leaving cancels the job, on any replica. */
  get isKept(): boolean {
    return this.#wanted !== 'asked' && this.#wanted !== 'left'
  }

  /** All clients have left, and one may come back. */
  get isLeft(): boolean {
    return this.#wanted === 'left'
  }

  /** A client waits for the answer that the job was accepted. */
  get isPromised(): boolean {
    return this.#wanted === 'promised'
  }

  /** A client knows that the job was accepted, or may have been. Other replicas must know it then, too. */
  get isTold(): boolean {
    return this.#wanted === 'promised' || this.#wanted === 'overdue'
  }

  /** No request waits any more, or there is nothing left to wait for. */
  get isOver(): boolean {
    return (this.#waiters.isEmpty && !this.isLeft) || this.#waiters.ending !== undefined
  }

  /** The message must not be published (again): all clients left without a promise, or have their answer. */
  get isUnwanted(): boolean {
    return this.isOver && (this.#waiters.ending !== undefined || !this.#isToRun)
  }

  /** When the grace of a job is over that all clients have left, on the monotonic clock in ms. */
  get graceEndsAt(): number {
    return this.isLeft ? this.#graceEndsAt : Infinity
  }

  /** How the job is counted if all requests leave it now. */
  get leftAs(): string {
    return LEFT_AS[this.#wanted]
  }

  /** A request for the same job. It may be of the client that has left. */
  join(): void {
    if (this.isLeft) this.#wanted = 'asked'
  }

  keep(): void {
    if (this.#wanted === 'asked') this.#wanted = 'kept'
  }

  promise(): void {
    if (this.#wanted !== 'overdue') this.#wanted = 'promised'
  }

  timeOut(): void {
    this.#wanted = 'overdue'
  }

  /** All have left. Returns whether a grace begins, in which one may come back. */
  beginGrace(ms: number): boolean {
    if (this.#wanted !== 'asked' || ms <= 0) return false
    this.#wanted = 'left'
    this.#graceEndsAt = performance.now() + ms
    return true
  }

  /** No client comes back: the leaving counts from now on. */
  endGrace(): void {
    if (this.isLeft) this.#wanted = 'asked'
  }

  /** The job is to run, also when all clients have left before it was published. */
  get #isToRun(): boolean {
    return this.#wanted === 'kept' || this.#wanted === 'promised' || this.isLeft
  }
}

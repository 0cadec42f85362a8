const TICK_MS = 20
/** What a timer is late by on any machine. */
const USUAL_MS = 50

/**
 * How long this process stood still in all, because the machine had no time for
 * it. An answer that it saw late by so much was not late itself.
 */
export class Stalls {
  readonly #now: () => number
  readonly #timer: NodeJS.Timeout
  #total = 0
  #last: number

  constructor(now = () => performance.now()) {
    this.#now = now
    this.#last = now()
    this.#timer = setInterval(() => this.#look(), TICK_MS)
  }

  /** Milliseconds since the start. */
  get ms(): number {
    this.#look()
    return this.#total
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = this.#now()
    const late = now - this.#last - TICK_MS
    if (late > USUAL_MS) this.#total += late
    this.#last = now
  }
}

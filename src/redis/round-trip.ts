/** The event of a write has so many turns of the timer, each as long, before it counts as missing. */
export const TURN_MS = 250
export const TURNS = 8

/** What a write of our own has shown. `cut`: a connection was lost meanwhile, so that it shows nothing. */
export type RoundTripEnd = number | 'unannounced' | 'cut'

/**
 * Waits for the event of one write. Turns are counted instead of reading the clock: while our
 * own event loop stands still no turn passes, and an event that has arrived is read before the next one.
 */
export class RoundTrip {
  readonly ended: Promise<RoundTripEnd>
  #end: (end: RoundTripEnd) => void = () => {}
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #turns = 0

  constructor() {
    this.ended = new Promise((resolve) => (this.#end = resolve))
    this.#timer = setInterval(() => {
      this.#turns += 1
      if (this.#turns > TURNS) this.#finish('unannounced')
    }, TURN_MS)
  }

  arrived(): void {
    this.#finish(performance.now() - this.#startedAt)
  }

  cut(): void {
    this.#finish('cut')
  }

  #finish(end: RoundTripEnd): void {
    clearInterval(this.#timer)
    this.#end(end)
  }
}

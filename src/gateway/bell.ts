/** Longer than this, a timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Rung by many, waited for by one. What rings while nobody waits is not lost. */
export class Bell {
  #isRung = false
  #wake = (): void => {}

  ring(): void {
    this.#isRung = true
    this.#wake()
  }

  /** Resolves when it was rung since the last time, or after `ms`. */
  async rung(ms: number): Promise<void> {
    if (!this.#isRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(ms, MAX_TIMER_MS))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = () => {}
    }
    this.#isRung = false
  }
}

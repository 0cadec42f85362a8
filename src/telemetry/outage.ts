/** While a fault lasts, the log says so again after this time. */
export const REPEAT_MS = 60_000

/**
 * Decides when the log says that a fault lasts: when it begins, when its reason changes, and
 * then once a minute, with the time since when. Call `tell` as often as the fault is seen.
 */
export class Outage {
  #since: Date | undefined
  #reason = ''
  #toldAt = 0

  /** Calls `say` if the fault is to be logged now. */
  tell(reason: string, say: (fields: { since?: string }) => void): void {
    const now = performance.now()
    const isNew = this.#since === undefined
    this.#since ??= new Date()
    if (!isNew && reason === this.#reason && now - this.#toldAt < REPEAT_MS) return
    this.#reason = reason
    this.#toldAt = now
    say(isNew ? {} : { since: this.#since.toISOString() })
  }

  /** Calls `say` again if a minute has passed and the fault still lasts. */
  repeat(say: (fields: { since?: string }, reason: string) => void): void {
    if (this.#since !== undefined) this.tell(this.#reason, (fields) => say(fields, this.#reason))
  }

  /** The fault is over. Returns whether there was one. */
  over(): boolean {
    const lasted = this.#since !== undefined
    this.#since = undefined
    return lasted
  }
}

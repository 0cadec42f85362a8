/**
 * Whether something we depend on can be used right now, and since when not.
 * One writer (the part that owns the connection), many readers.
 */
export class Link {
  #reason = 'not connected yet'
  #ready = false
  #needsOperator = false
  #lostAt = Number.NEGATIVE_INFINITY
  readonly #waiting = new Set<() => void>()

  get ready(): boolean {
    return this.#ready
  }

  /** Why it is not ready, for a person; empty while it is. */
  get reason(): string {
    return this.#ready ? '' : this.#reason
  }

  /** It does not pass by itself: a wrong login, a missing right, a server of the wrong kind. */
  get needsOperator(): boolean {
    return !this.#ready && this.#needsOperator
  }

  up(): void {
    if (this.#ready) return
    this.#ready = true
    for (const wake of this.#waiting) wake()
  }

  down(reason: string, { needsOperator = false } = {}): void {
    if (this.#ready) this.#lostAt = performance.now()
    this.#ready = false
    this.#reason = reason
    this.#needsOperator = needsOperator
  }

  /**
   * Resolves with whether it is ready: at once when it is, or when it has been
   * lost for longer than `graceMs`; else as soon as it is back or the grace is
   * over. Requests so pass over a blip, and fail fast in an outage.
   */
  async recovered(graceMs: number): Promise<boolean> {
    const left = this.#lostAt + graceMs - performance.now()
    if (this.#ready || left <= 0) return this.#ready
    return this.until(left)
  }

  /** Resolves with `true` when it is ready, with `false` after `timeoutMs`. */
  async until(timeoutMs: number): Promise<boolean> {
    if (this.#ready) return true
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(end)
        resolve(this.#ready)
      }
      const timer = setTimeout(end, timeoutMs)
      this.#waiting.add(end)
    })
  }
}

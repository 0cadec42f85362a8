/** Whoever sent a request and waits for its answer. */
export interface Client {
  readonly isGone: boolean
  /** `listener` runs once when the client has left. It may also run after it was answered. */
  onGone(listener: () => void): void
}

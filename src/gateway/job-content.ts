/**
 * Hears for how long the gateway needs the content of a job, its `messages` and `request`, also
 * after the request was answered. The caller empties them then: a job may be large, and its client
 * waits far longer than the broker needs to take it. The price: where another request has begun
 * a further run of the job, this process cannot join it.
 */
export interface ContentUse {
  begin(): void
  /** `isAccepted`: the broker has the job or an equal one, so that no other attempt is needed. */
  end(isAccepted: boolean): void
}

/** The content of one pending job, until nothing of it has to be sent any more. */
export class JobContent {
  readonly #use: ContentUse | undefined
  /** It can still be published. */
  isThere = true

  constructor(use: ContentUse | undefined) {
    this.#use = use
  }

  /** Without a use, the content stays as long as the pending job. */
  end(isAccepted: boolean): void {
    if (this.#use === undefined || !this.isThere) return
    this.isThere = false
    this.#use.end(isAccepted)
  }
}

import type { ContentUse } from '../../gateway/pending-job.ts'
import type { Job } from '../../job.ts'
import type { BodyShare } from '../body-budget.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * The job of one request, and its share of the budget for bodies. Its content may be as large as
 * the body. The request waits for its outcome far longer than the broker needs to take the job,
 * and several frames hold the job meanwhile: so the job itself is emptied.
 */
export class JobContent {
  readonly #job: Writable<Job>
  readonly #share: BodyShare
  #uses = 0
  #isClosed = false

  constructor(job: Job, share: BodyShare) {
    this.#job = job
    this.#share = share
  }

  /** The job under an id, and how the gateway says for how long it needs the content. */
  under(id: string): { readonly job: Job; readonly content: ContentUse } {
    const job = { ...this.#job, id }
    const end = (isAccepted: boolean): void => {
      empty(job)
      this.#uses -= 1
      if (isAccepted) this.#isClosed = true
      this.#settle()
    }
    return { job, content: { begin: () => void (this.#uses += 1), end } }
  }

  /** The request is answered. The gateway may still need the content for the broker. */
  close(): void {
    this.#isClosed = true
    this.#settle()
  }

  #settle(): void {
    if (!this.#isClosed) return
    empty(this.#job)
    if (this.#uses === 0) this.#share.release()
  }
}

function empty(job: Writable<Job>): void {
  job.messages = []
  job.request = undefined
  // It still says that something was kept.
  if (job.kept !== undefined) job.kept = ''
}

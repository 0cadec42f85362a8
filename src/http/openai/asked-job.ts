import { jobOf } from './openai-job.ts'
import { readRequest } from './openai-request.ts'
import { nameOf } from './retried-requests.ts'
import { ignoredIn } from './text-only.ts'
import type { Context } from 'hono'
import type { ContentUse } from '../../gateway/job-content.ts'
import type { Job } from '../../job.ts'
import type { BodyShare } from '../body-budget.ts'
import type { HttpEnv } from '../context.ts'
import type { BudgetedOptions } from './openai-options.ts'
import type { Endpoint, RequestFacts } from './openai-request.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * The job of one request, and its share of the budget for bodies. Its content may be as large as
 * the body. The request waits for its outcome far longer than the broker needs to take the job,
 * and several frames hold the job meanwhile: so the job itself is emptied.
 */
export class AskedJob {
  readonly facts: RequestFacts
  /** The value of `x-ignored-parameters`. */
  readonly ignored: string | undefined
  /** Equal requests have the same name. */
  readonly name: string
  readonly #job: Writable<Job>
  readonly #share: BodyShare
  #uses = 0
  #isClosed = false

  constructor(asked: Pick<AskedJob, 'facts' | 'ignored' | 'name'>, job: Job, share: BodyShare) {
    this.facts = asked.facts
    this.ignored = asked.ignored
    this.name = asked.name
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
  job.kept = undefined
}

/**
 * Reads a request and makes its job. Only what the AskedJob has is left of the body when this
 * resolves: a frame that waits for the outcome must not hold more.
 */
export async function readAskedJob(
  c: Context<HttpEnv>,
  endpoint: Endpoint,
  options: BudgetedOptions,
): Promise<AskedJob> {
  const { request, share } = await readRequest(c, endpoint, options)
  try {
    const { source: _, fields, ...rest } = request
    const encodingFormat = fields.encoding_format === 'base64' ? 'base64' : 'float'
    const asked = {
      facts: { ...rest, encodingFormat } as const,
      ignored: ignoredIn(request),
      name: nameOf(request),
    }
    return new AskedJob(asked, jobOf(request, '', options.v1), share)
  } catch (error) {
    share.release()
    throw error
  }
}

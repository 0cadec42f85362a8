/**
 * The nouns, one meaning each, in code, logs, metrics and documentation.
 *
 * - **Job**: what a client asked for.
 * - **Outcome**: how it ended. A value: a worker's failure is no error of ours.
 * - **Run**: one execution of a job id. A reused id gets a new run.
 * - **Result**: the bytes a worker wrote to Redis. Only a dialect makes an
 *   Outcome of them.
 * - **Claim**: the record in Redis that says who asked for a job id, with what
 *   fingerprint, which run answers it, and until when.
 * - **Waiter**: one pending request of this process.
 */

export interface Message {
  readonly role: string
  readonly content: string
}

/** How the model is asked to generate; `null` leaves it to the worker. */
export interface JobMeta {
  readonly temperature: number | null
  /** The most tokens the answer may have. */
  readonly tokensLimit: number | null
  readonly stopWords: readonly string[] | null
  readonly model: string | null
}

export interface Job {
  /** Chosen by the client; unique within its owner. */
  readonly id: string
  /** Who asked: '' while the gateway is open to all. */
  readonly owner: string
  readonly queue: string
  readonly messages: readonly Message[]
  readonly meta: JobMeta
  /** 0 to 255; only some kinds of worker look at it. */
  readonly priority: number | null
  /** Free text about where the job comes from; part of the v1.1 wire format. */
  readonly source: string
  /** How long it may wait and run, in milliseconds, where that is shorter than usual. */
  readonly ttlMs?: number | undefined
  /**
   * Where the id comes from: `made` here and so nobody else's yet, or `derived`
   * from an Idempotency-Key, which stands for one payload alone. Else the client's own.
   */
  readonly idKind?: 'made' | 'derived' | undefined
}

export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
}

export type Outcome =
  | {
      readonly kind: 'succeeded'
      readonly content: string
      readonly usage?: Usage
      readonly finishReason?: string
      readonly model?: string
    }
  | { readonly kind: 'failed'; readonly type: string; readonly message: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'expired' }

/** A job as it stands: from its claim and its result, by any replica. */
export interface JobView {
  readonly id: string
  /** `running` only where the worker tells. */
  readonly status: 'queued' | 'running' | Outcome['kind']
  /** Milliseconds since 1970 by the clock of Redis; null where unknown. */
  readonly createdAt: number | null
  readonly finishedAt: number | null
  /** null until it has ended, and where its result is gone. */
  readonly outcome: Outcome | null
}

/** What somebody who follows a job is told, in order; exactly one `done`, at the end. */
export type JobEvent =
  | { readonly kind: 'status'; readonly status: JobView['status'] }
  | { readonly kind: 'delta'; readonly id: string; readonly text: string }
  /** Another attempt begins from the start: the text so far is void. */
  | { readonly kind: 'restart'; readonly id: string }
  | { readonly kind: 'done'; readonly id: string; readonly view: JobView }

export const hasEnded = ({ status }: Pick<JobView, 'status'>): boolean =>
  status !== 'queued' && status !== 'running'

/**
 * The id by which workers and Redis know the job. Every key and message is made
 * from this one and never from the client's id, so that owners can be given
 * namespaces here and nowhere else.
 */
export function wireId(job: Pick<Job, 'id' | 'owner'>): string {
  return job.id
}

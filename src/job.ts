/**
 * The nouns, one meaning each, in code, logs, metrics and documentation.
 *
 * - **Job**: what a client asked for.
 * - **Outcome**: how it ended. A value: a worker's failure is no error of ours.
 * - **Run**: one execution of a job id. A reused id gets a new run.
 * - **Dialect**: how one kind of worker is spoken to.
 * - **Result**: the bytes a worker wrote to Redis. Only a dialect makes an Outcome of them.
 * - **Delta**: a piece of text that a worker wrote before the result.
 * - **Standing**: what the result keys say: queued, running, or an outcome.
 * - **Record**: the string in Redis that says who asked for a job id, with what
 *   fingerprint, and which run answers it, until when.
 * - **Claim**: how a process found the record when it asked for the id.
 * - **Fingerprint**: the hash of what was asked. Equal fingerprints are the same job.
 * - **Pending job**: one job id while requests of this process wait for it.
 * - **Asker**: a pending job, as the record names those who still want the outcome.
 * - **Holder**: the asker that publishes the job.
 * - **Waiter**: one request that waits for a pending job.
 * - **Follower**: one request that looks at a job, wherever it is pending.
 * - **Hint**: a reason to read a job's keys. The keys are the truth.
 * - **Watch**: the subscription to a job's keys that gives the hints.
 * - **Link**: whether a server we depend on is ready.
 * - **Probe**: the proof that writes in Redis reach us as hints.
 */

export interface Message {
  readonly role: string
  readonly content: string
}

/**
 * What a client asked of an OpenAI endpoint, as the engine is to get it. A worker that knows
 * of it posts it; any other answers `messages` and `meta`.
 */
export interface EngineRequest {
  /** For example `/v1/chat/completions`. */
  readonly endpoint: string
  /** JSON text of an object. Nothing in it is built again, so that numbers keep their source. */
  readonly body: string
}

/** How the model is asked to generate. The client's own `null` leaves it to the worker. */
export interface JobMeta {
  /** `undefined`: the client did not say. The wire format has its own default for that. */
  readonly temperature: number | null | undefined
  /** The most tokens the answer may have; `undefined` as above. */
  readonly tokensLimit: number | null | undefined
  readonly stopWords: readonly string[] | null
  readonly model: string | null
  /** Fields of the client's own, for a worker that knows them. Absent where there are none. */
  readonly more?: Readonly<Record<string, unknown>>
}

export interface Job {
  /** Chosen by the client; unique within its owner. */
  readonly id: string
  /** Who asked: '' while the gateway is open to all. */
  readonly owner: string
  readonly queue: string
  readonly messages: readonly Message[]
  readonly meta: JobMeta
  readonly request?: EngineRequest | undefined
  /** What a surface needs to show the job later. It is kept beside the record, as long as that. */
  readonly kept?: string | undefined
  /** 0 to 255; only some kinds of worker look at it. */
  readonly priority: number | null
  /** Free text about where the job comes from; part of the v1.1 wire format. */
  readonly source: string
  /** How long it may wait and run, in milliseconds, where that is shorter than usual. */
  readonly ttlMs?: number | undefined
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
      /** The engine's whole answer, as JSON text, where the job has a `request`. */
      readonly body?: string
    }
  | {
      readonly kind: 'failed'
      readonly type: string
      readonly message: string
      /** As the engine said them, where the job has a `request`. */
      readonly status?: number
      readonly code?: string
      readonly param?: string
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'expired' }

/** A job as it is now. Any replica can read it from record and result. */
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

/** What happens to a job, in order; exactly one `done`, at the end. */
export type JobEvent =
  | {
      readonly kind: 'status'
      readonly status: JobView['status']
      /** Of the job, as in its view; with the first event. */
      readonly createdAt?: number | null
    }
  | {
      readonly kind: 'delta'
      readonly id: string
      /** May be empty where there are chunks. */
      readonly text: string
      /** The engine's chunks that the text is of, as the JSON text of an array. */
      readonly chunks?: string | undefined
    }
  /** Another attempt begins from the start: the text so far is void. */
  | { readonly kind: 'restart'; readonly id: string }
  | { readonly kind: 'done'; readonly id: string; readonly view: JobView }

export const hasEnded = ({ status }: Pick<JobView, 'status'>): boolean =>
  status !== 'queued' && status !== 'running'

/** The owner of every job, as long as the gateway is open to all clients. */
export const OWNER: Job['owner'] = ''

const DERIVED_ID = /^(?:resp_)?key-[\w-]{43}$/

/** An id derived from an Idempotency-Key belongs to one payload alone, also where a client sends it as its own. */
export const isDerivedId = (id: string): boolean => DERIVED_ID.test(id)

/** How the ids of responses begin. No other route makes a job with such an id. */
export const RESPONSE_PREFIX = 'resp_'

/** Its events have numbers that must be the same for all readers. So its end is final, expiry included. */
export const isResponse = ({ id }: Pick<Job, 'id'>): boolean => id.startsWith(RESPONSE_PREFIX)

/**
 * The id by which workers and Redis know the job. Every key and message is made from this
 * one and never from the client's id, so that two owners may use the same id and never meet.
 * Neither `:` nor `@` occurs in an id, and a job without an owner keeps its plain id, so no
 * plain id names an owned job.
 */
export const wireId = ({ id, owner }: Pick<Job, 'id' | 'owner'>): string =>
  owner === '' ? id : `${owner}:${id}`

/** The client's own id, and whose it is, from the id on the wire. */
export const plainId = (wire: string): string => wire.slice(wire.indexOf(':') + 1)
export const ownerOf = (wire: string): string => wire.slice(0, Math.max(0, wire.indexOf(':')))

import type * as v from 'valibot'
import type { Job, Outcome } from './job.ts'

/** One message for RabbitMQ: a body and those of its properties that the wire format fixes. */
export interface Delivery {
  readonly body: Buffer
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly priority?: number
  /** Where the wire format has a meaning for it. Else it is the run. */
  readonly correlationId?: string
}

/** A message to all workers, through an exchange of theirs. */
export interface Broadcast {
  readonly exchange: string
  readonly delivery: Delivery
}

/** A key as one kind of worker expects it. */
export interface RedisWrite {
  readonly key: string
  readonly value: string
}

export interface Decoded {
  readonly outcome: Outcome
  /** The run the worker echoed, if it does. */
  readonly run?: string
}

/** Where a job stands, as its worker tells it; `running` only from workers that do. */
export type Standing = 'queued' | 'running' | Decoded

/** Values at `resultKeys`, in their order; null where there is none, or where it is left as it is. */
export type Values = readonly (string | null)[]

/**
 * What tells a script that a job has ended: a pattern, in Lua's notation, found in
 * the first 256 bytes at the result key in this position.
 */
export interface EndMark {
  readonly position: number
  readonly pattern: string
}

/** How a queue is declared. Its worker's declaration and ours must agree, or the second one is refused. */
export interface QueueOptions {
  readonly durable: boolean
  readonly arguments: Readonly<Record<string, unknown>>
}

/** Where the broker puts what it has given up: delivered too often, refused, expired. */
export const deadQueueOf = (queue: string): string => `${queue}.dead`

/**
 * The wire format of one kind of worker, in both directions: what the gateway
 * writes and reads, and what a worker reads and writes. Pure: no I/O, no clock,
 * no randomness.
 */
export interface Dialect {
  readonly name: string
  /** As its worker declares it. */
  readonly queue: QueueOptions
  /** What stands at `resultKeys` when the job has ended; `any`: whatever does. The truth is what `decodeResult` says. */
  readonly ends: 'any' | readonly EndMark[]
  /** Only workers of this gateway write such keys, so that those without a record are late results. */
  readonly ownsResultKeys: boolean
  /** Message and result have a place for the bodies of OpenAI endpoints. Without one, a job's `request` is left out. */
  readonly carriesBodies: boolean
  /** Keys whose change may mean that the job has ended or begun. Our own keys hang on the first. */
  resultKeys(wireId: string): readonly [string, ...string[]]
  /** What the worker expects to find there, before it has the message and as long as that lives. */
  prepare?(job: Job, wireId: string, now: Date): readonly RedisWrite[]
  /**
   * Whether its worker may write a result once more after it was read, without a time to
   * live: it acknowledges after the write, and a message that comes back is run again.
   */
  readonly mayAnswerTwice: boolean
  /**
   * Whether the message carries the fields of `meta` that we do not know (`JobMeta.more`): only
   * where no worker breaks because of them, and one may use them.
   */
  readonly carriesMeta: boolean
  encodeJob(job: Job, of: RunOf & { readonly expiresAt: Date }): Delivery
  /** Tells the workers that no client wants this run any more; for those that do not look at our cancel key. */
  encodeCancel?(of: RunOf): Broadcast
  /** Throws on a value it cannot read. */
  decodeResult(values: Values): Standing
  /** The worker's half of `encodeJob`; throws on a message it cannot read. */
  decodeJob(delivery: Delivery, queue: string): { readonly job: Job; readonly wireId: string }
  /** The worker's half of `decodeResult`: that it has begun, where its kind tells that. */
  encodeRunning?(now: Date): Values
  /** The worker's half of `decodeResult`: how it ended. `run` is for kinds that have a place for it. */
  encodeOutcome(outcome: Outcome, of: OutcomeOf): Values
}

export interface RunOf {
  readonly wireId: string
  readonly run: string
}

export interface OutcomeOf {
  readonly wireId: string
  readonly run?: string | undefined
  readonly now: Date
}

/** Addresses under names of the worker's own, for where ours are not set. */
export interface Addresses {
  readonly rabbitUrl?: string | undefined
  readonly redisUrl?: string | undefined
}

/** One kind of worker, as the registry knows it. */
export interface DialectKind {
  readonly settings: v.ObjectEntries
  /** From what `settings` made of the environment. */
  create(set: Readonly<Record<string, unknown>>): Dialect
  /** What is wrong with settings that are right one by one. */
  problem?(set: Readonly<Record<string, unknown>>): string | undefined
  addresses?(set: Readonly<Record<string, unknown>>): Addresses
}

/** A kind with the types of its own settings; the registry has no use for them. */
export function defineDialect<S extends v.ObjectEntries>(kind: {
  readonly settings: S
  readonly create: (set: v.InferOutput<v.ObjectSchema<S, undefined>>) => Dialect
  readonly problem?: (set: v.InferOutput<v.ObjectSchema<S, undefined>>) => string | undefined
  readonly addresses?: (set: v.InferOutput<v.ObjectSchema<S, undefined>>) => Addresses
}): DialectKind {
  return kind as DialectKind
}

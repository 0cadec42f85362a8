import type { Job, Outcome } from './job.ts'

/** One message for RabbitMQ: a body and those of its properties that the wire format fixes. */
export interface Delivery {
  readonly body: Buffer
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly priority?: number
}

/** A key as one kind of worker writes it. */
export interface RedisWrite {
  readonly key: string
  readonly value: string
}

export interface Decoded {
  readonly outcome: Outcome
  /** The run the worker echoed, if it does. */
  readonly run?: string
}

/** How a queue is declared. Its worker's declaration and ours must agree, or the second one is refused. */
export interface QueueOptions {
  readonly durable: boolean
  readonly arguments: Readonly<Record<string, unknown>>
}

/** Where the broker puts what it has given up: delivered too often, refused, expired. */
export const deadQueueOf = (queue: string): string => `${queue}.dead`

/** The settings a dialect's keys and messages are made from. */
export interface DialectSettings {
  readonly prefix: string
}

/**
 * The wire format of one kind of worker, in both directions: what the gateway
 * writes and reads, and what a worker reads and writes. Pure: no I/O, no clock,
 * no randomness.
 */
export interface Dialect {
  readonly name: string
  /** As its worker declares it. */
  readonly queue: QueueOptions
  /** Whether whatever stands at `resultKeys` is an end: then it is read and marked as read in one step. */
  readonly anyResultEnds: boolean
  /** Keys whose change may mean that the job has ended. Our own keys hang on the first. */
  resultKeys(wireId: string): readonly [string, ...string[]]
  encodeJob(job: Job, wireId: string): Delivery
  /**
   * Reads the values at `resultKeys`, in their order. `undefined` while the job
   * is still running; throws on a value it cannot read.
   */
  decodeResult(values: readonly (string | null)[]): Decoded | undefined
  /** The worker's half of `encodeJob`; throws on a message it cannot read. */
  decodeJob(delivery: Delivery, queue: string): { readonly job: Job; readonly wireId: string }
  /** The worker's half of `decodeResult`: the writes that end a job, in their order. */
  encodeOutcome(wireId: string, outcome: Outcome, run?: string): readonly RedisWrite[]
}

/** A message or result that is not of the dialect's form. Never carries the content itself. */
export class WireFormatError extends Error {
  override readonly name = 'WireFormatError'
}

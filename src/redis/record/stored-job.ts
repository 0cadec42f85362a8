import type { Values } from '../../dialect.ts'
import type { Outcome } from '../../job.ts'
import type { JobRecord } from './record.ts'

export interface ReadResult {
  /** At the result keys, in their order; null where there is none. */
  readonly values: Values
  /** The run that the record names; null without a record. */
  readonly run: string | null
  /** Final, whatever exists at the result keys. */
  readonly isCancelled: boolean
  /** As it was after the values were read. `untouched`: still as our claim wrote it. */
  readonly record: JobRecord | 'untouched' | 'gone'
}

/** An end that was read. */
export interface ReadEnd {
  readonly kind: Outcome['kind']
  /** In ms since 1970. */
  readonly finishedAt: number
  /** A client's answer says so. */
  readonly isTold: boolean
}

/** A record, and what exists at the result keys. */
export interface StoredJob {
  readonly record: JobRecord
  /** What is left of the job's life; negative when it is over. */
  readonly remainingMs: number
  /** The values belong to the record's run. */
  readonly isSure: boolean
  /** No end was known of the run before this look. */
  readonly wasInFlight: boolean
  /** A worker has written deltas, so it has begun. */
  readonly hasDeltas: boolean
  readonly values: Values
}

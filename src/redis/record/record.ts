/**
 * The record of a job: one string in Redis that tells all replicas and workers who
 * asked for an id, with what, which run answers, and in which state that run is.
 *
 * ```
 *            claim                 mark-published               finish, answer
 *  absent ──────────▶ (claimed) ──────────────────▶ published ─────────────────▶ done
 *    ▲                 │   ▲ └── release: not accepted ──▶ absent     │   end
 *    │                 │   └──── takeover: same run, other holder     ├────────▶ cancelled
 *    └── expires ──────┴──── finish, answer, end ─────────────────────┘
 *
 *  done, cancelled, expired ── claim, where the outcome is not replayed ──▶ (claimed), a new run
 * ```
 *
 * **The usual path writes the record once.** `SET … NX GET` claims a free id (`plain.ts`),
 * the record stays as it was written, and no script runs: that it exists and its result is
 * an end says that the job is done. A script writes the state where more depends on it:
 * the job was pending for a second, failed, was cancelled, or another request asked for it.
 *
 * **The record never outlives a result unless it says that the job is done.** Otherwise a
 * request would join a job that has ended, and wait in vain. So a reader gives the result
 * the record's whole life, and whatever shortens one shortens both.
 *
 * Its age is `life` less the time to live that is left: every rewrite keeps that, until
 * the job has ended. No replica's own settings or clock take part.
 */
export interface JobRecord {
  readonly v: 1
  /** Random: one execution of the id. It travels with the message, and a worker may echo it. */
  readonly run: string
  /** SHA-256 of the canonical job, as base64. */
  readonly fingerprint: string
  /** Whose job it is; '' while the gateway is open to all. */
  readonly owner: string
  /** The asker that publishes the message. Only the holder may release the record. */
  readonly holder: string
  /** When the run was asked for, in ms since 1970 by the clock of its gateway. */
  readonly created: number
  /** Time to live that the record was written with, in ms: the job's life and `keep`. */
  readonly life: number
  /** How long an outcome can be fetched, in ms. */
  readonly keep: number
  /** Absent: claimed, and about to be published. */
  readonly state?: 'published' | 'done' | 'cancelled'
  /** Of a job that is done: the kind of its outcome, or `read` where a script read it and cannot know. */
  readonly outcome?: string
  /** When it had ended, in ms since 1970 by the clock of Redis. */
  readonly finished?: number
  /** What the record had to live when the job ended, in ms: needed where the result turns out to be another run's. */
  readonly left?: number
  /** The entry of the deltas that says the end: removed where the result turns out to be another run's. */
  readonly entry?: string
  /** When it was last taken over, in ms by the clock of Redis. */
  readonly since?: number
  /** How often workers that stopped in order gave the job back. Absent: never since it was published. */
  readonly returned?: number
  /** Nothing of an earlier run is left beside it. Absent: not known. */
  readonly clean?: true
  /**
   * Processes with clients that wait for the outcome, and until when each counts, in ms by the
   * clock of Redis: a process that was killed removes itself from nothing. Absent: the holder alone.
   */
  readonly askers?: Readonly<Record<string, number>>
  /** The events of the job have numbers, so its end is an entry of the deltas even where there are no others. */
  readonly numbered?: true
  /** A client was promised that the job runs on: no client's leaving cancels it. */
  readonly kept?: true
}

export const isInFlight = ({ state }: JobRecord): boolean =>
  state === undefined || state === 'published'

/** Where a job's result is written, as its dialect names it. Our own keys hang on the first one. */
export type ResultKeys = readonly [string, ...string[]]

/** All that one job has in Redis. */
export interface JobKeys {
  readonly record: string
  /** Exists when the run it names is cancelled. */
  readonly cancel: string
  /** A stream of what the worker has produced so far. */
  readonly deltas: string
  /** What a surface keeps of the request (`Job.kept`). */
  readonly kept: string
  readonly results: ResultKeys
}

/**
 * Not `:claim`, where version 0.1 keeps a hash: a worker or replica of that version
 * finds no record here, and does not fail on one of another type.
 */
export const RECORD_SUFFIX = ':job'

/** The glob that finds all records of a kind of worker, given its result keys for the id `*`. */
export const recordGlob = (results: ResultKeys): string => `{${results[0]}}${RECORD_SUFFIX}`

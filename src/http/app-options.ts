import type { Gateway } from '../gateway/gateway.ts'
import type { Models } from '../models.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { PartHealth } from './operations.ts'

/** Everything the app needs. Each surface picks its share. */
export interface AppOptions {
  readonly gateway: Pick<
    Gateway,
    | 'look'
    | 'run'
    | 'submit'
    | 'stream'
    | 'view'
    | 'hold'
    | 'follow'
    | 'cancel'
    | 'kept'
    | 'lacksDeltas'
    | 'remove'
  >
  /** The queues a request may name. A request that names none gets the first. */
  readonly queues: readonly [string, ...string[]]
  /** Whether the workers may take fields of `meta` that we do not know. */
  readonly carriesMeta: boolean
  readonly maxBodyBytes: number
  /** What is served under /v1. Without them, nothing is. */
  readonly models?: Models | undefined
  readonly v1: V1Options
  readonly limits: { readonly timeoutMs: number; readonly jobTtlMs: number }
  readonly health: () => readonly PartHealth[]
  readonly metrics: Metrics
  readonly log: Log
}

/** What only the OpenAI surface needs. */
export interface V1Options {
  /** Of one request. Larger than elsewhere: an image is a part of a message there. */
  readonly maxBodyBytes: number
  /** Of all bodies together that are being read or wait for the broker. */
  readonly maxHeldBytes: number
  /** Messages and results of the workers have a place for whole bodies. */
  readonly carriesBodies: boolean
  /** The highest priority of a queue; undefined where it has none. */
  readonly maxPriorityOf: (queue: string) => number | undefined
  readonly unanswered: UnansweredJobs
  readonly background: BackgroundJobs
  /** How often the silent stream of a response gets a ping. Only tests give it, to wait for less. */
  readonly pingMs?: number | undefined
}

/** Jobs whose clients got no outcome, by a hash of the request, for as long as a client may send it again. */
export interface UnansweredJobs {
  /** The id of the job, which is forgotten with this. Never rejects. */
  take(request: string): Promise<string | undefined>
  /** Never rejects. */
  put(request: string, id: string): Promise<void>
}

/** Counts the jobs that run although no client holds a request for them. */
export interface BackgroundJobs {
  /** Resolves with whether the job was not counted before. Rejects with `too_many_background` where there are too many. */
  enter(id: string, lifeMs: number): Promise<boolean>
  /** The job has ended, or will not run. Never rejects. */
  leave(id: string): Promise<void>
}

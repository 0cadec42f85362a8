import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ErrorReply } from 'redis'
import { errorFields } from '../telemetry/log.ts'
import { sweepKey } from './keys.ts'
import { recordGlob } from './record/record.ts'
import { jobKeysOf } from './record/job-records.ts'
import type { Dialect } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RedisConnection } from './connection.ts'
import type { JobKeys } from './record/record.ts'
import type { JobRecords } from './record/job-records.ts'

/** Keys that Redis looks at for each SCAN, and the pause after it: a pass takes about 1 % of one core of Redis. */
const SCAN_COUNT = 500
const PAUSE_MS = 20
const MIN_PERIOD_MS = 1_000
const MAX_PERIOD_MS = 6 * 3_600_000

export interface SweepOptions {
  readonly connection: RedisConnection
  readonly records: Pick<JobRecords, 'expireUnread'>
  readonly dialect: Pick<Dialect, 'resultKeys' | 'ownsResultKeys'>
  readonly prefix: string
  readonly jobTtlMs: number
  readonly resultTtlMs: number
  /** How long a record may be unpublished before another replica takes it over. */
  readonly graceMs: number
  /** Whether results without a record expire as well, where only our workers write such keys. */
  readonly sweepOrphans: boolean
  readonly log: Log
  readonly metrics: Pick<Metrics, 'swept'>
}

/**
 * Gives a time to live to results that no request read: of a gateway that died, of a
 * request whose time was over, of a worker that came late.
 *
 * One replica at a time walks slowly through the keys with SCAN. So the usual path needs
 * no index of jobs, which would cost every job two commands, and a key in another slot
 * on a cluster. Only keys that belong to our jobs are touched: a Redis is often shared.
 */
export class Sweep {
  readonly #options: SweepOptions
  readonly #periodMs: number
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: SweepOptions) {
    this.#options = options
    // At least one pass falls between the deadline of a job and the end of its record.
    const periodMs = Math.min(options.jobTtlMs, options.resultTtlMs, MAX_PERIOD_MS)
    this.#periodMs = Math.max(periodMs, MIN_PERIOD_MS)
  }

  open(): void {
    this.#running = this.#sweepUntilClosed()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #sweepUntilClosed(): Promise<void> {
    const { connection, prefix, log } = this.#options
    const { signal } = this.#closing
    const instance = randomUUID()
    while (!signal.aborted) {
      try {
        if (connection.link.ready) {
          // A little shorter than the pause, so that it is gone when this replica comes again.
          const value = Math.ceil(this.#periodMs * 0.9)
          const expiration = { type: 'PX', value } as const
          const options = { condition: 'NX', expiration } as const
          const isMine = await connection.client.set(sweepKey(prefix), instance, options)
          if (isMine !== null) await this.#pass()
        }
      } catch (error) {
        if (isForbidden(error)) return log.warn(errorFields(error), 'sweep.forbidden')
        log.warn(errorFields(error), 'sweep.failed')
      }
      // A replica that finds another at work looks again before that one would begin the next pass.
      await this.#pause(Math.min(this.#periodMs, 30_000))
    }
  }

  async #pass(): Promise<void> {
    const { connection, dialect, sweepOrphans } = this.#options
    const [glob, ...more] = dialect.resultKeys('*')
    const ofOrphans = sweepOrphans && dialect.ownsResultKeys
    // Results are found by their own keys where all of them are ours, else by our records.
    const match = ofOrphans ? glob : recordGlob([glob, ...more])
    const [start, end] = match.split('*') as [string, string]
    let cursor = '0'
    do {
      const { cursor: next, keys } = await connection.client.scan(cursor, {
        MATCH: match,
        COUNT: SCAN_COUNT,
        ...(ofOrphans && { TYPE: 'string' }),
      })
      cursor = String(next)
      const ids = keys.map((key) => String(key).slice(start.length, -end.length || undefined))
      // Keys of our own have an `@` where an id has none.
      await this.#expireBare(ids.filter((id) => !id.startsWith('@')))
      if (cursor !== '0') await this.#pause(PAUSE_MS)
    } while (cursor !== '0' && !this.#closing.signal.aborted)
  }

  /** Asks about all of a batch in one round trip; a script runs only for those without a time to live. */
  async #expireBare(wireIds: readonly string[]): Promise<void> {
    const { connection, dialect } = this.#options
    const all = wireIds.map((wireId) => ({ wireId, keys: jobKeysOf(dialect.resultKeys(wireId)) }))
    const lives = await Promise.all(
      all.map(({ keys }) => Promise.all(keys.results.map((key) => connection.client.pTTL(key)))),
    )
    for (const [index, { wireId, keys }] of all.entries()) {
      if (lives[index]?.includes(-1)) await this.#expire(wireId, keys)
    }
  }

  async #expire(wireId: string, keys: JobKeys): Promise<void> {
    const { records, dialect, sweepOrphans, resultTtlMs, graceMs, log, metrics } = this.#options
    const orphanTtlMs = sweepOrphans && dialect.ownsResultKeys ? resultTtlMs : 0
    try {
      const swept = await records.expireUnread(keys, { orphanTtlMs, graceMs })
      if (swept === 0) return
      metrics.swept.inc(swept)
      log.info({ job: wireId }, 'sweep.ttl_set')
    } catch (error) {
      if (!this.#options.connection.link.ready) throw error
      // A job that cannot be looked at must not stand in the way of the others.
      log.warn({ job: wireId, ...errorFields(error) }, 'sweep.job_failed')
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => {})
  }
}

/** The login lacks a right, which only an operator can give it. */
const isForbidden = (error: unknown): boolean =>
  error instanceof ErrorReply && error.message.startsWith('NOPERM')

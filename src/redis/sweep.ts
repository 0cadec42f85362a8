import { setTimeout as delay } from 'node:timers/promises'
import { errorFields } from '../telemetry/log.ts'
import { claimKey, deltasKey, pendingKey } from './keys.ts'
import { marksOf } from './script.ts'
import type { Dialect } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RedisConnection } from './connection.ts'
import type { DueReply, SweepReply } from './scripts.ts'

const MIN_SLEEP_MS = 1_000
const MAX_SLEEP_MS = 30_000
/** Jobs looked at in one go; more follow at once. */
const BATCH = 100

export interface SweepOptions {
  readonly connection: RedisConnection
  readonly dialect: Pick<Dialect, 'resultKeys' | 'ends' | 'mayAnswerTwice'>
  readonly prefix: string
  readonly jobTtlMs: number
  readonly resultTtlMs: number
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Gives a time to live to results that nobody read: of a gateway that died, of a
 * request whose time was over, of a worker that came late.
 *
 * A job stands in an index from before its publish until its outcome was read,
 * by the time its life ends. Any replica works off what is due. Where there was
 * nothing to do, it looks once more, as long after the job's life as results are
 * kept: its message has expired, but a worker may have had it.
 */
export class Sweep {
  readonly #options: SweepOptions
  readonly #index: string
  readonly #maxSleepMs: number
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: SweepOptions) {
    this.#options = options
    this.#index = pendingKey(options.prefix)
    const { jobTtlMs, resultTtlMs } = options
    this.#maxSleepMs = Math.min(MAX_SLEEP_MS, jobTtlMs, resultTtlMs)
  }

  open(): void {
    this.#running = this.#sweepUntilClosed()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #sweepUntilClosed(): Promise<void> {
    const { connection, log } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      let sleepMs = MIN_SLEEP_MS
      try {
        if (connection.link.ready) sleepMs = await this.#sweep()
      } catch (error) {
        log.warn(errorFields(error), 'sweep.failed')
      }
      await delay(sleepMs, undefined, { signal }).catch(() => {})
    }
  }

  /** Works off what is due; returns how long nothing will be. */
  async #sweep(): Promise<number> {
    const { connection, log } = this.#options
    const { client } = connection
    const reply: unknown = await client.dueJobs([this.#index], [String(BATCH)])
    const [due, nextInMs] = reply as DueReply
    for (const entry of due) {
      await this.#settle(entry).catch(async (error: unknown) => {
        if (!this.#options.connection.link.ready) throw error
        // One that cannot be looked at must not stand in the way of the others.
        log.warn(errorFields(error), 'sweep.entry_failed')
        await this.#putOff(entry, entry, MAX_SLEEP_MS)
      })
    }
    // What was put off is to be looked at, too.
    if (due.length > 0) return 0
    return Math.min(Math.max(Number(nextInMs) || MAX_SLEEP_MS, MIN_SLEEP_MS), this.#maxSleepMs)
  }

  async #settle(entry: string): Promise<void> {
    const { connection, dialect, resultTtlMs, log, metrics } = this.#options
    const { client } = connection
    const [look, asker, wireId] = entry.split(' ') as [string, string, string]
    const keys = dialect.resultKeys(wireId)
    const reply: unknown = await client.sweepJob(
      [claimKey(keys[0]), deltasKey(keys[0]), ...keys],
      [String(resultTtlMs), marksOf(dialect)],
    )
    const [swept, lifeMs, hasEnded] = reply as SweepReply
    if (swept > 0) {
      metrics.swept.inc(swept)
      log.info({ job: wireId }, 'sweep.ttl_set')
    }
    // A newer run of the same id goes on: it ends later.
    if (lifeMs > 0) return this.#putOff(entry, entry, lifeMs)
    // A result that has its time to live already may yet be overwritten, by a worker that comes late: it has none then.
    const isOver = swept > 0 && hasEnded === 1 && !dialect.mayAnswerTwice
    const isLastLook = isOver || look !== FIRST_LOOK
    if (isLastLook) await client.zRem(this.#index, entry)
    else await this.#putOff(entry, `${LAST_LOOK} ${asker} ${wireId}`, resultTtlMs)
  }

  async #putOff(entry: string, name: string, inMs: number): Promise<void> {
    const { connection, jobTtlMs, resultTtlMs } = this.#options
    const ttlMs = String(jobTtlMs + 2 * resultTtlMs)
    await connection.client.putOff([this.#index], [entry, name, String(inMs), ttlMs])
  }
}

const FIRST_LOOK = '1'
const LAST_LOOK = '2'

/** One asker of one job, as the index knows it. An id holds no blank. */
export const sweepEntry = (wireId: string, asker: string): string =>
  `${FIRST_LOOK} ${asker} ${wireId}`

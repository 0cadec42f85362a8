import { setTimeout as delay } from 'node:timers/promises'
import { cancelKey, claimKey } from '../src/redis/keys.ts'
import { argumentsOf, marksOf } from '../src/redis/script.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { Dialect } from '../src/dialect.ts'
import type { Outcome } from '../src/job.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { Log } from '../src/telemetry/log.ts'

/** Between two tries at a Redis that is away or refuses to write. */
const RETRY_MS = 1_000

export interface AnswersOptions {
  readonly redis: RedisConnection
  readonly dialect: Dialect
  readonly resultTtlMs: number
  readonly log: Log
}

/** Whether a job should run, or why not. */
export type Look = 'run' | 'stale' | 'cancelled' | 'answered'

/**
 * Whether a job still wants an answer, and its answer. As long as Redis is away
 * both are tried again, because an outcome has cost GPU time; only the stop ends
 * that. An empty run is that of a message which names none.
 */
export class Answers {
  readonly #options: AnswersOptions
  readonly #stop: AbortSignal
  readonly #marks: string

  constructor(options: AnswersOptions, stop: AbortSignal) {
    this.#options = options
    this.#stop = stop
    this.#marks = marksOf(options.dialect)
  }

  /** Says that it has begun, where its kind of worker does. */
  look(wireId: string, run: string, isRedelivered: boolean): Promise<Look> {
    const { dialect, resultTtlMs } = this.#options
    const resultKeys = dialect.resultKeys(wireId)
    const [first] = resultKeys
    const running = argumentsOf(dialect.encodeRunning?.(new Date()) ?? [])
    const args = [run, isRedelivered ? '1' : '0', this.#marks, String(resultTtlMs), ...running]
    return this.#insist((client) =>
      client.lookBeforeRun([claimKey(first), cancelKey(first), ...resultKeys], args),
    )
  }

  /** The first outcome of a run stands: tells whether this one does. */
  write(wireId: string, run: string, outcome: Outcome): Promise<'written' | 'stale' | 'answered'> {
    const { dialect, resultTtlMs } = this.#options
    const resultKeys = dialect.resultKeys(wireId)
    const of = { wireId, run: run === '' ? undefined : run, now: new Date() }
    const values = argumentsOf(dialect.encodeOutcome(outcome, of))
    const args = [run, String(resultTtlMs), '', this.#marks, ...values]
    return this.#insist((client) =>
      client.writeAnswer([claimKey(resultKeys[0]), ...resultKeys], args),
    )
  }

  async #insist<T>(command: (client: RedisConnection['client']) => Promise<T>): Promise<T> {
    const { redis, log } = this.#options
    for (;;) {
      try {
        if (await redis.link.until(RETRY_MS)) return await command(redis.client)
      } catch (error) {
        log.warn(errorFields(error), 'worker.redis_refused')
        await delay(RETRY_MS, undefined, { signal: this.#stop })
      }
      this.#stop.throwIfAborted()
    }
  }
}

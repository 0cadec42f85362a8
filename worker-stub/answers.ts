import { setTimeout as delay } from 'node:timers/promises'
import { cancelKey, claimKey } from '../src/redis/keys.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { Dialect } from '../src/dialect.ts'
import type { Outcome } from '../src/job.ts'
import type { RedisConnection } from '../src/redis/connect.ts'
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

  constructor(options: AnswersOptions, stop: AbortSignal) {
    this.#options = options
    this.#stop = stop
  }

  look(wireId: string, run: string, isRedelivered: boolean): Promise<Look> {
    const [key] = this.#options.dialect.resultKeys(wireId)
    const keys = [claimKey(key), cancelKey(key), key]
    return this.#insist((client) => client.lookBeforeRun(keys, [run, isRedelivered ? '1' : '0']))
  }

  /** The first outcome of a run stands: tells whether this one does. */
  write(wireId: string, run: string, outcome: Outcome): Promise<'written' | 'stale' | 'answered'> {
    const { dialect, resultTtlMs } = this.#options
    const [key] = dialect.resultKeys(wireId)
    const writes = dialect.encodeOutcome(wireId, outcome, run === '' ? undefined : run)
    const keys = [claimKey(key), ...writes.map((write) => write.key)]
    const values = writes.map((write) => write.value)
    return this.#insist((client) =>
      client.writeAnswer(keys, [run, String(resultTtlMs), '', ...values]),
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

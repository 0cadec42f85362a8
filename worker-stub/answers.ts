import { setTimeout as delay } from 'node:timers/promises'
import { JobRecords } from '../src/redis/record/job-records.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { Dialect } from '../src/dialect.ts'
import type { Outcome } from '../src/job.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { JobKeys } from '../src/redis/record/record.ts'
import type { AnswerReply } from '../src/redis/record/answer.ts'
import type { MayRunReply } from '../src/redis/record/may-run.ts'
import type { Log } from '../src/telemetry/log.ts'

/** Between two tries at a Redis that is away or refuses to write. */
const RETRY_MS = 1_000

export interface AnswersOptions {
  readonly redis: RedisConnection
  readonly dialect: Dialect
  readonly resultTtlMs: number
  readonly log: Log
}

/**
 * Whether a job still wants an answer, and its answer. While Redis is away, both are tried
 * again until the worker stops, because an outcome has cost GPU time. A refusal that no
 * repetition can mend ends the attempt. An empty run is that of a message which names none.
 */
export class Answers {
  readonly #options: AnswersOptions
  readonly #records: JobRecords
  readonly #stop: AbortSignal

  constructor(options: AnswersOptions, stop: AbortSignal) {
    this.#options = options
    this.#records = new JobRecords(options.redis.client, options)
    this.#stop = stop
  }

  keysOf(wireId: string): JobKeys {
    return this.#records.keysOf(wireId)
  }

  /** Whether the job should run. If so, writes that it has begun, where its kind of worker does that. */
  mayRun(wireId: string, run: string, isRedelivered: boolean): Promise<MayRunReply> {
    const running = this.#options.dialect.encodeRunning?.(new Date()) ?? []
    const keys = this.keysOf(wireId)
    return this.#insist(() => this.#records.mayRun({ keys, run }, isRedelivered, running))
  }

  /** The first outcome of a run stays: tells whether this one does. */
  write(wireId: string, run: string, outcome: Outcome): Promise<AnswerReply> {
    const of = { wireId, run: run === '' ? undefined : run, now: new Date() }
    const values = this.#options.dialect.encodeOutcome(outcome, of)
    const keys = this.keysOf(wireId)
    return this.#insist(() => this.#records.answer({ keys, run }, outcome.kind, values, false))
  }

  /** Says that the job goes back to the queue in order. Best effort: without it, the broker counts a try that failed. */
  async giveBack(wireId: string, run: string): Promise<void> {
    const { redis, log } = this.#options
    if (run === '' || !redis.link.ready) return
    try {
      await this.#records.giveBack({ keys: this.keysOf(wireId), run })
    } catch (error) {
      log.warn(errorFields(error), 'worker.redis_refused')
    }
  }

  async #insist<T>(command: () => Promise<T>): Promise<T> {
    const { redis, log } = this.#options
    for (;;) {
      try {
        if (await redis.link.until(RETRY_MS)) return await command()
      } catch (error) {
        log.warn(errorFields(error), 'worker.redis_refused')
        if (this.#records.canNeverSucceed(error)) throw error
        await delay(RETRY_MS, undefined, { signal: this.#stop })
      }
      this.#stop.throwIfAborted()
    }
  }
}

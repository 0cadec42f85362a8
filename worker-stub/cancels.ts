import { databaseOf } from '../src/redis/connection.ts'
import { Push } from '../src/redis/push.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { Watch } from '../src/redis/push.ts'
import type { Log } from '../src/telemetry/log.ts'

export interface CancelsOptions {
  readonly redis: RedisConnection
  /** For subscriptions alone. */
  readonly subscriber: RedisConnection
  readonly redisUrl: string
  readonly log: Log
}

/**
 * Hears that nobody wants the answer of a running job any more. A notification
 * is a hint only: the cancel key is read, and tells which run is meant. No job
 * waits for any of it. One that cannot be watched runs deaf, and is watched as
 * soon as the subscriber is back.
 */
export class Cancels {
  readonly #redis: RedisConnection
  readonly #subscriber: RedisConnection
  readonly #push: Push
  readonly #log: Log
  /** How to watch the jobs that run unwatched. */
  readonly #deaf = new Set<() => void>()
  #isRefused = false

  constructor({ redis, subscriber, redisUrl, log }: CancelsOptions) {
    this.#redis = redis
    this.#subscriber = subscriber
    this.#push = new Push(subscriber, databaseOf(redisUrl), log)
    this.#log = log
    subscriber.onReady(() => {
      const arms = Array.from(this.#deaf)
      this.#deaf.clear()
      for (const arm of arms) arm()
      void this.#push.reconcile()
    })
    // Subscribed to the old primary, it would hear nothing of a job whose record is on the new one.
    redis.onRefusal(({ isDemotion, reason }) => void (isDemotion && subscriber.renew(reason)))
    // A read that failed while this one was away is done again, too.
    redis.onReady(() => void this.#push.reconcile())
  }

  /** How many jobs are watched or about to be. */
  get size(): number {
    return this.#push.size
  }

  /**
   * Tells when this run is cancelled, from now until the end of the watch; with an
   * empty run, whichever is. What stands in the key before the watch is armed is
   * found by a read of its own, so that the caller may look at the job meanwhile.
   */
  watch(key: string, run: string, onCancel: () => void): { end(): void } {
    let current: Watch | undefined
    let isOver = false
    const read = async (): Promise<void> => {
      if (isOver) return
      try {
        const cancelled = await this.#redis.client.get(key)
        if (isOver || cancelled === null || (run !== '' && cancelled !== run)) return
        onCancel()
      } catch (error) {
        this.#refused(this.#redis, error)
      }
    }
    const arm = (): void => {
      current = this.#push.watch([key], () => void read())
      current.armed.then(read, (error: unknown) => {
        if (isOver) return
        this.#deaf.add(arm)
        this.#refused(this.#subscriber, error)
      })
    }
    arm()
    return {
      end: () => {
        isOver = true
        this.#deaf.delete(arm)
        current?.end()
      },
    }
  }

  close(): void {
    this.#push.close()
  }

  /** A link that is down has been logged by itself; a right that is missing is missing for every job. */
  #refused({ link }: RedisConnection, error: unknown): void {
    if (!link.ready || this.#isRefused) return
    this.#isRefused = true
    this.#log.warn(errorFields(error), 'worker.deaf_to_cancel')
  }
}

import { databaseOf } from '../src/redis/connection.ts'
import { Push } from '../src/redis/push.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { JobKeys, JobRecord } from '../src/redis/record/record.ts'
import type { Watch } from '../src/redis/push.ts'
import type { Log } from '../src/telemetry/log.ts'

export interface CancelWatch {
  end(): void
}

export interface CancelsOptions {
  readonly redis: RedisConnection
  /** For subscriptions alone. */
  readonly subscriber: RedisConnection
  readonly redisUrl: string
  readonly log: Log
}

/** A new run of the same id deletes the cancel key, before the worker of the old run may have read it. */
const EVENTS: ReadonlySet<string> = new Set(['set', 'del'])

/**
 * Hears that no client wants the answer of a running job any more. A notification
 * is a hint only. Two keys are read: the cancel key, which names the run that is
 * meant, and the record, which names another run as soon as the id has moved on.
 * No job waits for any of it. One that cannot be watched runs deaf, and is watched
 * as soon as the subscriber is back.
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
    this.#push = new Push(subscriber, databaseOf(redisUrl), log, EVENTS)
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
   * Tells when this run is cancelled or superseded, from now until the end of the watch;
   * with an empty run, when any run is cancelled. What is in the keys before the watch is
   * armed is found by a read of its own, so that the caller may look at the job meanwhile.
   */
  watch(keys: Pick<JobKeys, 'cancel' | 'record'>, run: string, onCancel: () => void): CancelWatch {
    let current: Watch | undefined
    let isOver = false
    const read = async (): Promise<void> => {
      if (isOver) return
      try {
        const { client } = this.#redis
        // In this order: where the first comes too late for the cancel key, the second finds the new run.
        const found = await Promise.all([client.get(keys.cancel), client.get(keys.record)])
        if (!isOver && isUnwanted(run, ...found)) onCancel()
      } catch (error) {
        this.#refused(this.#redis, error)
      }
    }
    const arm = (): void => {
      current = this.#push.watch([keys.cancel], () => void read())
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

/** A run whose record has gone may still answer. What is no record of ours says nothing. */
function isUnwanted(run: string, cancelled: string | null, record: string | null): boolean {
  if (run === '') return cancelled !== null
  if (cancelled === run || record === null) return cancelled === run
  const { run: current }: Partial<JobRecord> = JSON.parse(record) ?? {}
  return typeof current === 'string' && current !== run
}

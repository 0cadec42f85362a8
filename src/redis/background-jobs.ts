import { tooManyBackground } from '../errors.ts'
import { hasEnded } from '../job.ts'
import { backgroundKey } from './keys.ts'
import { noResult } from './refusal.ts'
import type { JobView } from '../job.ts'
import type { RedisConnection } from './connection.ts'

/**
 * Adds a job unless there are too many. Those whose time is over do not count. Returns 0 when
 * there is no place.
 */
const ENTER = `
local key, id, life, now, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
if not redis.call('ZSCORE', key, id) and redis.call('ZCARD', key) >= most then return 0 end
redis.call('ZADD', key, now + life, id)
if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
return 1
`

/** A full house is looked through at most this often by each replica. */
const LOOK_EVERY_MS = 2_000
/** Jobs that are looked at together. */
const AT_ONCE = 50

export interface BackgroundJobsOptions {
  readonly connection: Pick<RedisConnection, 'client'>
  readonly prefix: string
  /** How many may be queued or running, over all replicas. */
  readonly most: number
  /** How a job is now; undefined where there is none. */
  readonly view: (id: string) => Promise<Pick<JobView, 'status'> | undefined>
}

/**
 * The jobs that run although no client holds a request for them. `MAX_PENDING` does not bound
 * those, so they have a limit of their own. A job that ends while no replica looks at it is
 * found when the house is full.
 */
export class BackgroundJobs {
  readonly #options: BackgroundJobsOptions
  readonly #key: string
  #looking: Promise<void> | undefined
  #lookedAt = -Infinity

  constructor(options: BackgroundJobsOptions) {
    this.#options = options
    this.#key = backgroundKey(options.prefix)
  }

  /** Rejects with `too_many_background` when there is no place, and with `results_down` when Redis cannot be asked. */
  async enter(id: string, lifeMs: number): Promise<void> {
    if (await this.#hasEntered(id, lifeMs)) return
    await this.#removeEnded()
    if (await this.#hasEntered(id, lifeMs)) return
    throw tooManyBackground(this.#options.most)
  }

  /** The job has ended, or will not run. Never rejects: one that stays is found later. */
  async leave(id: string): Promise<void> {
    await this.#options.connection.client.zRem(this.#key, id).catch(() => {})
  }

  async #hasEntered(id: string, lifeMs: number): Promise<boolean> {
    const { connection, most } = this.#options
    const args = [id, lifeMs, Date.now(), most].map(String)
    try {
      return (await connection.client.eval(ENTER, { keys: [this.#key], arguments: args })) === 1
    } catch (cause) {
      throw noResult('the background job could not be counted', cause)
    }
  }

  /** Requests that come together wait for one look. */
  async #removeEnded(): Promise<void> {
    if (this.#looking === undefined && performance.now() - this.#lookedAt < LOOK_EVERY_MS) return
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
      this.#lookedAt = performance.now()
    })
    await this.#looking
  }

  async #look(): Promise<void> {
    const { connection, view } = this.#options
    const ids = await connection.client.zRange(this.#key, 0, -1)
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      const some = ids.slice(start, start + AT_ONCE)
      const views = await Promise.all(some.map(view))
      const ended = some.filter((_, index) => {
        const seen = views[index]
        return seen === undefined || hasEnded(seen)
      })
      if (ended.length > 0) await connection.client.zRem(this.#key, ended)
    }
  }
}

import { GatewayError, tooManyBackground } from '../errors.ts'
import { hasEnded } from '../job.ts'
import { backgroundKey } from './keys.ts'
import { noResult } from './refusal.ts'
import type { JobView } from '../job.ts'
import type { RedisConnection } from './connection.ts'

/**
 * Adds a job unless there are too many. Those whose time is over do not count. Times are by the
 * clock of Redis: gateways need not agree on the time. Returns `NO_PLACE`, `KNOWN` or `ADDED`.
 */
const ENTER = `
local key, id, life, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
local isKnown = redis.call('ZSCORE', key, id)
if not isKnown and redis.call('ZCARD', key) >= most then return 0 end
redis.call('ZADD', key, now + life, id)
if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
return isKnown and 1 or 2
`
const [NO_PLACE, ADDED] = [0, 2]

/** While there is no place, each replica looks for jobs that have ended at most this often. */
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
 * found when there is no place.
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

  /**
   * Resolves with whether the job was not counted before. Rejects with `too_many_background` when
   * there is no place, and with `results_down` when Redis cannot be asked.
   */
  async enter(id: string, lifeMs: number): Promise<boolean> {
    let entered = await this.#enter(id, lifeMs)
    if (entered === NO_PLACE) {
      await this.#removeEnded()
      entered = await this.#enter(id, lifeMs)
    }
    if (entered === NO_PLACE) throw tooManyBackground(this.#options.most)
    return entered === ADDED
  }

  /** The job has ended, or will not run. Never rejects: one that stays is found later. */
  async leave(id: string): Promise<void> {
    await this.#options.connection.client.zRem(this.#key, id).catch(() => {})
  }

  #enter(id: string, lifeMs: number): Promise<unknown> {
    const { connection, most } = this.#options
    const args = [id, lifeMs, most].map(String)
    return counted(connection.client.eval(ENTER, { keys: [this.#key], arguments: args }))
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
    const ids = await counted(connection.client.zRange(this.#key, 0, -1))
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      const some = ids.slice(start, start + AT_ONCE)
      const over = await Promise.all(some.map((id) => isOver(view(id))))
      const ended = some.filter((_, index) => over[index])
      if (ended.length > 0) await counted(connection.client.zRem(this.#key, ended))
    }
  }
}

/** Whether a job needs no place any more. One that cannot be looked at now does, and keeps no other job from its own. */
async function isOver(view: ReturnType<BackgroundJobsOptions['view']>): Promise<boolean> {
  try {
    const seen = await view
    return seen === undefined || hasEnded(seen)
  } catch (error) {
    // Its result exists, and no reader can read it.
    return error instanceof GatewayError && error.code === 'bad_result'
  }
}

async function counted<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply
  } catch (cause) {
    throw noResult('the background jobs could not be counted', cause)
  }
}

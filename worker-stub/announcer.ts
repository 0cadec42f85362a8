import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { RENEW_MS, encodeAnnouncement } from '../src/announcement.ts'
import { workersKey } from '../src/redis/keys.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { AnnouncedModel, Announcement } from '../src/announcement.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { Log } from '../src/telemetry/log.ts'

/** The hash of all workers lives for so long after the last renewal of any. */
const HASH_LIFE_MS = 3_600_000

/**
 * Field and message in one step, so that a gateway that comes in between misses neither. A Redis
 * without memory refuses the field, and the message goes out all the same.
 */
const RENEW = `
redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('PUBLISH', KEYS[1], ARGV[2])
`
/** The field may be that of the next process of this name. */
const STOP = `
local value = redis.call('HGET', KEYS[1], ARGV[1])
local isJson, said = pcall(cjson.decode, value or '')
if isJson and type(said) == 'table' and said.instance == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return redis.call('PUBLISH', KEYS[1], ARGV[3])
`

export interface AnnouncerOptions {
  readonly redis: RedisConnection
  readonly redisPrefix: string
  readonly queue: string
  readonly dialect: { readonly name: string }
  readonly concurrency: number
  readonly version: string
  /** The models as they are known now. Asked at every renewal, so it may not wait for long. */
  readonly models: () => Promise<readonly AnnouncedModel[]>
  /** How many jobs the worker runs now. */
  readonly running: () => number
  readonly log: Log
  readonly renewMs?: number
}

/**
 * Tells the gateways that this worker is there and which models it serves: at the start, every 4 s,
 * when Redis is back, and when it stops. Best effort: no job waits for it.
 */
export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #instance = randomUUID()
  readonly #worker = `${hostname()}-${this.#instance.slice(0, 8)}`
  readonly #started = Date.now()
  #renewals = 0
  #timer: NodeJS.Timeout | undefined
  #isRenewing = false
  #isClosed = false
  #problem: string | undefined

  constructor(options: AnnouncerOptions) {
    this.#options = options
    options.redis.onReady(() => {
      if (this.#timer !== undefined) this.#renew()
    })
  }

  open(): void {
    this.#timer = setInterval(() => this.#renew(), this.#options.renewMs ?? RENEW_MS)
    this.#renew()
  }

  /** Resolves when the gateways are told, or cannot be. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    // What was sent before goes before: a gateway hears no renewal after the stop.
    if (!this.#options.redis.link.ready) return
    const stop = { worker: this.#worker, instance: this.#instance, stopped: true } as const
    await this.#call(STOP, this.#worker, this.#instance, encodeAnnouncement(stop))
  }

  #renew(): void {
    if (this.#isClosed || this.#isRenewing || !this.#options.redis.link.ready) return
    this.#isRenewing = true
    void this.#renewOnce().finally(() => {
      this.#isRenewing = false
    })
  }

  async #renewOnce(): Promise<void> {
    const said = JSON.stringify({ ...(await this.#announcement()), renewals: this.#renewals })
    this.#renewals += 1
    if (!this.#isClosed) await this.#call(RENEW, this.#worker, said, String(HASH_LIFE_MS))
  }

  async #announcement(): Promise<Announcement> {
    const { queue, dialect, concurrency, version, models, running } = this.#options
    return {
      worker: this.#worker,
      instance: this.#instance,
      queue,
      dialect: dialect.name,
      models: await models(),
      concurrency,
      running: running(),
      version,
      started: this.#started,
    }
  }

  /** Never rejects. */
  async #call(script: string, ...values: string[]): Promise<void> {
    const { redis, redisPrefix, log } = this.#options
    try {
      await redis.client.eval(script, { keys: [workersKey(redisPrefix)], arguments: values })
      this.#problem = undefined
    } catch (error) {
      const { error: problem } = errorFields(error)
      // A link that is down has been logged by itself, and a right that is missing is so every 4 s.
      if (redis.link.ready && problem !== this.#problem)
        log.warn({ error: problem }, 'worker.not_announced')
      this.#problem = problem
    }
  }
}

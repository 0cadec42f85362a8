import { errorFields } from '../telemetry/log.ts'
import { unansweredNames } from './keys.ts'
import type { Log } from '../telemetry/log.ts'
import type { RedisConnection } from './connection.ts'

/** The time in ms, by the clock of Redis: those of two replicas may differ. */
const NOW = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`
const ANNOUNCE = `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[1])
`
/**
 * All names that are alive. It also uses each right that an announcement needs, with a name that no
 * request has: where a login lacks one, no replica may rely on hearing the others.
 */
const READ = `${NOW}
redis.call('ZADD', KEYS[1], 0, '')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PUBLISH', KEYS[1], '')
return redis.call('ZRANGE', KEYS[1], 0, -1)
`
/** So long after a failed read, the next request may begin another. An operator may have mended the login. */
const RETRY_MS = 15_000

/**
 * `connecting`: a connection to Redis is away. `reading`: it asks for the names that were announced
 * before. `current`: it hears every name. `failed`: Redis refused to tell or to subscribe.
 */
type State =
  | { readonly kind: 'connecting' | 'reading' | 'current' }
  | { readonly kind: 'failed'; readonly at: number }

type Connection = Pick<RedisConnection, 'client' | 'link' | 'onReady' | 'onLost'>

export interface UnansweredNamesOptions {
  readonly subscriber: Connection
  readonly data: Connection
  readonly prefix: string
  /** How long a name is alive. */
  readonly lifeMs: number
  readonly log: Log
  /** In ms; only tests give it. */
  readonly now?: () => number
}

/**
 * The names of requests that got no outcome. The replicas announce them to each other, so that a
 * request whose name was not announced need not ask Redis. A replica that may have missed an
 * announcement takes every name for an announced one.
 */
export class UnansweredNames {
  readonly #options: UnansweredNamesOptions
  readonly #key: string
  readonly #now: () => number
  /** Until when each name is alive. The oldest is the first. */
  readonly #names = new Map<string, number>()
  #state: State = { kind: 'connecting' }
  #isSubscribed = false
  /** Logged already, and not over since. */
  readonly #problems = new Set<string>()

  constructor(options: UnansweredNamesOptions) {
    const { subscriber, data, prefix, now = () => performance.now() } = options
    this.#options = options
    this.#key = unansweredNames(prefix)
    this.#now = now
    subscriber.onLost(() => {
      this.#state = { kind: 'connecting' }
    })
    // A data connection that is back may lead to another server, with other names.
    for (const connection of [subscriber, data]) connection.onReady(() => void this.#read())
  }

  get state(): State['kind'] {
    return this.#state.kind
  }

  /** Whether Redis may have a job for this name. It is forgotten with this: the caller asks Redis. */
  take(name: string): boolean {
    this.#dropExpired()
    const isHeard = this.#names.delete(name)
    if (this.#state.kind === 'current') return isHeard
    if (this.#state.kind === 'failed' && this.#now() >= this.#state.at + RETRY_MS) void this.#read()
    return true
  }

  /** From now on, Redis is asked for this name. */
  readonly add = (name: string): void => {
    this.#dropExpired()
    if (name === '') return
    this.#names.delete(name)
    this.#names.set(name, this.#now() + this.#options.lifeMs)
  }

  /** Tells all replicas, also those that start while the name is alive. Never rejects. */
  async announce(name: string): Promise<void> {
    const { data, lifeMs } = this.#options
    this.add(name)
    try {
      await data.client.eval(ANNOUNCE, { keys: [this.#key], arguments: [name, String(lifeMs)] })
      this.#problems.clear()
    } catch (error) {
      this.#complain(error)
    }
  }

  /** Subscribed first, so that no name is missed between the two. */
  async #read(): Promise<void> {
    const { subscriber, data } = this.#options
    if (!subscriber.link.ready || !data.link.ready) return
    // A loss or a later read replaces it. Then this one says nothing about what was missed.
    const reading: State = { kind: 'reading' }
    this.#state = reading
    try {
      if (!this.#isSubscribed) await subscriber.client.subscribe(this.#key, this.add)
      this.#isSubscribed = true
      const names = await data.client.eval(READ, { keys: [this.#key] })
      for (const name of names as unknown as string[]) this.add(name)
      if (this.#state !== reading) return
      this.#state = { kind: 'current' }
      this.#problems.clear()
    } catch (error) {
      if (this.#state === reading) this.#state = { kind: 'failed', at: this.#now() }
      this.#complain(error)
    }
  }

  #dropExpired(): void {
    const now = this.#now()
    for (const [name, until] of this.#names) {
      if (until > now) return
      this.#names.delete(name)
    }
  }

  /** Once for each problem: where a right is missing, every announcement fails. */
  #complain(error: unknown): void {
    const { subscriber, data, log } = this.#options
    // A connection that is down has been logged by itself.
    if (!subscriber.link.ready || !data.link.ready) return
    const fields = errorFields(error)
    if (!this.#problems.has(fields.error)) log.warn(fields, 'unanswered.not_announced')
    this.#problems.add(fields.error)
  }
}

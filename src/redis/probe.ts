import { randomUUID } from 'node:crypto'
import { Link } from '../link.ts'
import { errorFields } from '../telemetry/log.ts'
import { probeKey, repairedChannel } from './keys.ts'
import { isAnnounced, mergedFlags, missingFlags } from './notify-flags.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RedisConnection } from './connection.ts'
import type { Push, Watch } from './push.ts'

export const INTERVAL_MS = 15_000
export const DEADLINE_MS = 2_000
export const PROBE_TTL_MS = 60_000
const SETTING = 'notify-keyspace-events'
const NOT_CONNECTED = 'Redis is not connected'

export interface ProbeOptions {
  readonly push: Push
  readonly subscriber: RedisConnection
  readonly data: RedisConnection
  readonly prefix: string
  /** Whether the gateway may change the setting of Redis, or only say what is missing. */
  readonly notifyConfig: 'set' | 'check'
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Proves that writes reach us as hints: checks the setting of Redis, writes a
 * key of its own and waits for its event. At the start, after every reconnect
 * and every 15 s. `link` is ready while the proof stands.
 *
 * Redis neither replicates nor saves the setting: it can be gone after any
 * restart or failover. Whoever repairs it tells all replicas, because events
 * were lost for them too, also where their own probe never failed.
 */
export class Probe {
  readonly link = new Link()
  readonly #options: ProbeOptions
  readonly #key: string
  #watch: Watch | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #again = false
  #closed = false
  #arrived = (): void => {}
  /** As Redis reported them last; unknown where CONFIG is forbidden. */
  #flags: string | undefined
  #roundTripMs = 0

  constructor(options: ProbeOptions) {
    this.#options = options
    this.#key = probeKey(options.prefix, randomUUID())
    // A read that failed while the data connection was away is done again, too.
    for (const connection of [options.subscriber, options.data]) {
      connection.onReady(() => {
        void options.push.reconcile()
        this.#prove()
      })
    }
  }

  open(): void {
    this.#timer = setInterval(() => this.#prove(), INTERVAL_MS)
  }

  /** One line for a person: how the push is, and how to mend it. */
  describe(): string {
    const { subscriber, data } = this.#options
    for (const { link } of [subscriber, data]) if (!link.ready) return `Redis: ${link.reason}`
    if (!this.link.ready) return this.link.reason
    const warning = this.#missing().length > 0 ? `; ${this.#mend()}` : ''
    return `keyspace notifications, last probe ${this.#roundTripMs.toFixed(1)} ms${warning}`
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#watch?.end()
    await this.#running
  }

  /** One proof at a time; asked for during one, another follows it. */
  #prove(): void {
    this.#again = true
    this.#running ??= this.#proveUntilCurrent().finally(() => {
      this.#running = undefined
    })
  }

  async #proveUntilCurrent(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      try {
        const problem = await this.#proveOnce()
        if (problem !== undefined) this.#fail(problem)
      } catch (error) {
        this.#fail(`the probe failed: ${errorFields(error).error}`)
      }
    }
  }

  /** What is wrong, if anything is. */
  async #proveOnce(): Promise<string | undefined> {
    const { push, subscriber, data, prefix, log, metrics } = this.#options
    if (!subscriber.link.ready || !data.link.ready) return NOT_CONNECTED
    await this.#listen()
    const repaired = await this.#checkSetting()
    // Known not to work: no need to wait for an event that cannot come.
    if (this.#flags !== undefined && !isAnnounced(this.#flags)) return this.#mend()
    const roundTripMs = await this.#roundTrip()
    if (roundTripMs === undefined) return `a write was not announced; ${this.#mend()}`
    this.#roundTripMs = roundTripMs
    metrics.probeSeconds.set(roundTripMs / 1000)
    const wasDown = !this.link.ready
    this.link.up()
    if (wasDown) log.info({ roundTripMs: Math.round(roundTripMs * 100) / 100 }, 'push.ready')
    if (repaired) await data.client.publish(repairedChannel(prefix), this.#key)
    else if (wasDown) await push.reconcile()
    return undefined
  }

  async #listen(): Promise<void> {
    if (this.#watch !== undefined) return
    const { push, subscriber, prefix } = this.#options
    const watch = push.watch([this.#key], (source) => {
      // A reconcile proves nothing.
      if (source === 'notification') this.#arrived()
    })
    try {
      await watch.armed
      await subscriber.client.subscribe(repairedChannel(prefix), this.#onRepaired)
      this.#watch = watch
    } catch (error) {
      watch.end()
      throw error
    }
  }

  readonly #onRepaired = (): void => {
    void this.#options.push.reconcile()
  }

  /** Reads the setting and adds to it what is missing, if it may. Returns whether it changed it. */
  async #checkSetting(): Promise<boolean> {
    const { data, notifyConfig, log } = this.#options
    try {
      this.#flags = (await data.client.configGet(SETTING))[SETTING] ?? ''
      if (this.#missing().length === 0 || notifyConfig === 'check') return false
      const after = mergedFlags(this.#flags)
      await data.client.configSet(SETTING, after)
      log.warn({ before: this.#flags, after }, 'push.repaired')
      this.#flags = after
      return true
    } catch (error) {
      // Managed services forbid CONFIG, and rights may be narrow: then the round trip alone tells.
      log.debug(errorFields(error), 'push.config_forbidden')
      return false
    }
  }

  /** Milliseconds from our write to its event; undefined when it did not come. */
  async #roundTrip(): Promise<number | undefined> {
    const start = performance.now()
    let timer: NodeJS.Timeout | undefined
    const arrived = new Promise<number | undefined>((resolve) => {
      this.#arrived = () => resolve(performance.now() - start)
      timer = setTimeout(() => resolve(undefined), DEADLINE_MS)
    })
    try {
      await this.#options.data.client.set(this.#key, '1', { PX: PROBE_TTL_MS })
      return await arrived
    } finally {
      clearTimeout(timer)
      this.#arrived = () => {}
    }
  }

  #fail(reason: string): void {
    if (this.#closed) return
    // A connection that is down has been logged by itself.
    const isNews = (this.link.ready || this.link.reason !== reason) && reason !== NOT_CONNECTED
    if (isNews) this.#options.log.error({ reason }, 'push.not_ready')
    this.link.down(reason)
  }

  #missing(): readonly string[] {
    return this.#flags === undefined ? [] : missingFlags(this.#flags)
  }

  #mend(): string {
    if (this.#flags === undefined) {
      return `set ${SETTING} to at least K$gt where the server is configured (CONFIG is forbidden here)`
    }
    const command = `CONFIG SET ${SETTING} "${mergedFlags(this.#flags)}"`
    return `${SETTING} lacks ${this.#missing().join('')}: run ${command} and set it in redis.conf, or let the gateway do it with NOTIFY_CONFIG=set`
  }
}

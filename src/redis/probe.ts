import { randomUUID } from 'node:crypto'
import { Link } from '../link.ts'
import { errorFields } from '../telemetry/log.ts'
import { Outage } from '../telemetry/outage.ts'
import { probeKey, repairedChannel } from './keys.ts'
import { NotifySetting } from './notify-setting.ts'
import { refusalOf } from './refusal.ts'
import { RoundTrip, TURNS, TURN_MS } from './round-trip.ts'
import { tryRecord } from './trial.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RedisConnection } from './connection.ts'
import type { Push, Watch } from './push.ts'
import type { JobRecords } from './record/job-records.ts'
import type { Refusal } from './refusal.ts'
import type { RoundTripEnd } from './round-trip.ts'

export const INTERVAL_MS = 15_000
const ROLE_INTERVAL_MS = 2_000
export const DEADLINE_MS = TURNS * TURN_MS
export const PROBE_TTL_MS = 60_000
/** So many proofs in a row must fail before requests are refused, where the last one before them succeeded. */
const MAX_FAILURES = 3
const MAX_BACKOFF_MS = 1_000
/** Connections are renewed so often at most where writes are not announced. */
const RENEW_EVERY_MS = 5_000
/** Servers of a kind that cannot keep jobs, as HELLO names them. */
const NOT_SERVED: Readonly<Record<string, string>> = {
  cluster: 'Redis runs in cluster mode, which is not served: use a single Redis',
  sentinel: 'this is a Redis Sentinel, which keeps no data: use the address of the primary',
}

export interface ProbeOptions {
  readonly push: Push
  readonly subscriber: RedisConnection
  readonly data: RedisConnection
  readonly records: JobRecords
  readonly prefix: string
  /** Whether the gateway may change the setting of Redis, or only say what is missing. */
  readonly notifyConfig: 'set' | 'check'
  readonly log: Log
  readonly metrics: Metrics
}

/** Why a proof failed. `isCertain`: Redis itself has said so, and no repetition is needed to believe it. */
interface Failure {
  readonly reason: string
  readonly isCertain: boolean
  readonly needsOperator?: boolean
}

/**
 * Proves that jobs can be kept in Redis and that writes reach us as hints: claims a record of
 * its own, checks the setting of Redis, writes a key and waits for its event. At the start,
 * after every reconnect, after every refusal, and every 15 s. `link` is ready while the proof
 * stands.
 *
 * A proof that a lost connection cut off proves nothing. One that fails for want of an event is
 * repeated before any request is refused. While it fails, it is repeated at least every second,
 * so that requests are admitted as soon as the fault is over.
 *
 * Redis neither replicates nor saves the setting: it can be gone after any restart or failover.
 * The replica that repairs it tells all others, because events were lost for them too, also
 * where their own probe never failed.
 */
export class Probe {
  readonly link = new Link()
  readonly #options: ProbeOptions
  readonly #setting: NotifySetting
  readonly #instance = randomUUID()
  readonly #key: string
  readonly #outage = new Outage()
  #watch: Watch | undefined
  #timer: NodeJS.Timeout | undefined
  #roleTimer: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #trip: RoundTrip | undefined
  #failures = 0
  #again = false
  #closed = false
  /** A connection was lost during the proof that runs. */
  #isCut = false
  #renewedAt = Number.NEGATIVE_INFINITY
  #provedAt = Number.NEGATIVE_INFINITY
  #roundTripMs = 0

  constructor(options: ProbeOptions) {
    this.#options = options
    this.#setting = new NotifySetting(options)
    this.#key = probeKey(options.prefix, this.#instance)
    const { push, subscriber, data } = options
    for (const connection of [subscriber, data]) {
      // A read that failed while the data connection was away is done again, too.
      connection.onReady(() => {
        void push.reconcile()
        this.#prove()
      })
      connection.onLost(() => {
        this.#isCut = true
        this.#trip?.cut()
      })
      connection.onRefusal((refusal) => this.#doubt(refusal))
    }
    push.onRefused(() => this.#doubt())
  }

  open(): void {
    this.#timer = setInterval(() => this.#prove(), INTERVAL_MS)
    this.#roleTimer = setInterval(() => this.#lookAtRole(), ROLE_INTERVAL_MS)
  }

  /** One line for a person: how the push is, and how to repair it. */
  describe(): string {
    const { subscriber, data } = this.#options
    for (const { link } of [subscriber, data]) if (!link.ready) return `Redis: ${link.reason}`
    if (!this.link.ready) return this.link.reason
    const warning = this.#setting.missing.length > 0 ? `; ${this.#setting.repair}` : ''
    return `keyspace notifications, last probe ${this.#roundTripMs.toFixed(1)} ms${warning}`
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    clearInterval(this.#roleTimer)
    clearTimeout(this.#retry)
    this.#trip?.cut()
    this.#watch?.end()
    await this.#running
  }

  /** Redis has refused a command of a job. The next proof tells whether it refuses all of them. */
  #doubt(refusal?: Refusal): void {
    if (refusal?.isDemotion) {
      this.#options.subscriber.renew(refusal.reason)
      this.#fail({ reason: refusal.reason, isCertain: true })
    }
    if (this.#running !== undefined || this.#retry !== undefined) return
    // A right that no proof needs may be refused to every job: that must not make every job ask for a proof.
    this.#retryIn(Math.max(0, this.#provedAt + MAX_BACKOFF_MS - performance.now()))
  }

  /** A server that gets no writes refuses none. So it is asked whether it is still a primary. */
  #lookAtRole(): void {
    const { data } = this.#options
    if (!data.link.ready || !this.link.ready) return
    data.client.hello().then(
      ({ role }) => void (role === 'replica' && this.#doubt()),
      () => {},
    )
  }

  /** One proof at a time; asked for during one, another follows it. */
  #prove(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#again = true
    this.#running ??= this.#proveUntilCurrent().finally(() => {
      this.#running = undefined
    })
  }

  async #proveUntilCurrent(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      this.#isCut = false
      const failure = await this.#failureOfProof()
      // A connection that is back has asked for the next proof already.
      if (this.#isCut && !failure?.isCertain) this.#retryIn(this.#backoff())
      else if (failure !== undefined) this.#fail(failure)
    }
  }

  async #failureOfProof(): Promise<Failure | undefined> {
    try {
      return await this.#proveOnce()
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal !== undefined) return { ...refusal, isCertain: true }
      return { reason: `the probe failed: ${errorFields(error).error}`, isCertain: false }
    }
  }

  /** What is wrong, if anything is. */
  async #proveOnce(): Promise<Failure | undefined> {
    const { push, subscriber, data, records } = this.#options
    // The connection that comes back asks for the next proof.
    if (!subscriber.link.ready || !data.link.ready) return undefined
    const notServed = NOT_SERVED[(await data.client.hello()).mode]
    if (notServed !== undefined) return { reason: notServed, isCertain: true, needsOperator: true }
    await tryRecord(records, `@probe:${this.#instance}`)
    await push.tryRefused()
    await this.#listen()
    const wasRepaired = await this.#setting.check()
    // Known not to work: no need to wait for an event that cannot come.
    if (!this.#setting.isAnnounced) return { reason: this.#setting.repair, isCertain: true }
    const end = await this.#roundTrip()
    if (end === 'cut') return undefined
    if (end === 'unannounced') return { reason: this.#unannounced(), isCertain: false }
    await this.#succeed(end, wasRepaired)
    return undefined
  }

  async #succeed(roundTripMs: number, wasRepaired: boolean): Promise<void> {
    const { push, data, prefix, log, metrics } = this.#options
    this.#roundTripMs = roundTripMs
    this.#failures = 0
    this.#provedAt = performance.now()
    metrics.probeSeconds.set(roundTripMs / 1000)
    const wasDown = !this.link.ready
    this.#outage.over()
    this.link.up()
    if (wasDown) log.info({ roundTripMs: Math.round(roundTripMs * 100) / 100 }, 'push.ready')
    if (wasRepaired) await data.client.publish(repairedChannel(prefix), this.#key)
    else if (wasDown) await push.reconcile()
  }

  async #listen(): Promise<void> {
    if (this.#watch !== undefined) return
    const { push, subscriber, prefix } = this.#options
    const watch = push.watch([this.#key], (source) => {
      // A reconcile proves nothing.
      if (source === 'notification') this.#trip?.arrived()
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

  async #roundTrip(): Promise<RoundTripEnd> {
    this.#trip = new RoundTrip()
    const { ended } = this.#trip
    try {
      await this.#options.data.client.set(this.#key, '1', { PX: PROBE_TTL_MS })
      return await ended
    } finally {
      this.#trip.cut()
      this.#trip = undefined
    }
  }

  #unannounced(): string {
    const seen = `a write was not announced within ${DEADLINE_MS / 1000} s`
    const { flags, isComplete, repair } = this.#setting
    if (isComplete) {
      return `${seen}, although notify-keyspace-events is "${flags}"`
    }
    return `${seen}; ${repair}`
  }

  /** Requests are refused at once where the failure is certain, and otherwise when it has repeated itself. */
  #fail({ reason, isCertain, needsOperator = false }: Failure): void {
    if (this.#closed) return
    this.#failures += 1
    const wasReady = this.link.ready
    const isBelieved = isCertain || !wasReady || this.#failures >= MAX_FAILURES
    this.#retryIn(this.#backoff())
    if (!isBelieved) return
    this.link.down(reason, { needsOperator })
    const { log } = this.#options
    this.#outage.tell(reason, (since) => log.error({ reason, ...since }, 'push.not_ready'))
    if (!isCertain && (wasReady || this.#setting.isComplete)) this.#renew(reason)
  }

  /** The two connections may lead to two servers, after a failover. */
  #renew(reason: string): void {
    const now = performance.now()
    if (now - this.#renewedAt < RENEW_EVERY_MS) return
    this.#renewedAt = now
    const { subscriber, data } = this.#options
    for (const connection of [subscriber, data]) connection.renew(reason)
  }

  #backoff(): number {
    return Math.min(50 * 2 ** this.#failures, MAX_BACKOFF_MS)
  }

  #retryIn(ms: number): void {
    clearTimeout(this.#retry)
    if (this.#closed) return
    this.#retry = setTimeout(() => this.#prove(), ms)
  }
}

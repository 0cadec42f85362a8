import { GatewayError } from '../errors.ts'
import { errorFields } from '../telemetry/log.ts'
import { noResult, refusalOf } from './refusal.ts'
import type { RedisConnection } from './connection.ts'
import type { Log } from '../telemetry/log.ts'

/** Why a job's keys should be read: an event came, or events may have been lost. */
export type HintSource = 'notification' | 'reconcile'
export type OnHint = (source: HintSource) => void

/** What a write that may end a job is called. Others are not acted on: our own reads cause `keymiss`, so that would loop. */
const EVENTS: ReadonlySet<string> = new Set([
  'set',
  'setrange',
  'append',
  'rename_to',
  'copy_to',
  'restore',
  'xadd',
])
/** A SUBSCRIBE cut off by a lost link is sent again if the link is back within this time. */
export const GRACE_MS = 1_000
/** So many hints are given in one turn of the event loop when everything is to be read again. */
const BATCH = 500

interface Subscription {
  /** Who wants hints; none left means that it is about to go. */
  readonly hints: Set<OnHint>
  /** Settles when Redis has acknowledged the SUBSCRIBE. */
  readonly armed: Promise<void>
  isArmed: boolean
}

export interface Watch {
  /** From here on no write is missed; rejects with `results_down`. */
  readonly armed: Promise<void>
  end(): void
}

/**
 * Turns writes in Redis into hints, by keyspace notifications of exactly the
 * keys that requests wait for. A hint is never the truth: a request that gets one reads the
 * key. A connection of its own, which never carries values: one with
 * subscriptions is cut off by Redis when its buffer grows.
 */
export class Push {
  readonly #connection: RedisConnection
  readonly #prefix: string
  readonly #log: Log
  readonly #events: ReadonlySet<string>
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #onRefused = new Set<() => void>()
  /** A channel that Redis last refused to subscribe to. */
  #refusedChannel: string | undefined
  #closed = false

  /** `events`: the names of the events that are hints. */
  constructor(
    connection: RedisConnection,
    database: number,
    log: Log,
    events: ReadonlySet<string> = EVENTS,
  ) {
    this.#events = events
    this.#connection = connection
    this.#prefix = `__keyspace@${database}__:`
    this.#log = log
    connection.onReady(() => this.#unsubscribeOrphans())
  }

  /** How many keys are subscribed to or about to be. */
  get size(): number {
    return this.#subscriptions.size
  }

  watch(keys: readonly string[], onHint: OnHint): Watch {
    const channels = keys.map((key) => this.#prefix + key)
    const armed = channels.map((channel) => this.#join(channel, onHint).armed)
    let ended = false
    return {
      armed: armed.length === 1 ? (armed[0] as Promise<void>) : Promise.all(armed).then(() => {}),
      end: () => {
        if (ended) return
        ended = true
        for (const channel of channels) this.#leave(channel, onHint)
      },
    }
  }

  /** Events may have been lost: everybody who waits reads once. In batches, so that others get a turn. */
  async reconcile(): Promise<void> {
    let given = 0
    // Those of now: a request that subscribes during a batch's turn has lost nothing.
    const current = Array.from(this.#subscriptions.values())
    for (const { hints } of current) {
      for (const hint of hints) this.#give(hint, 'reconcile')
      given += 1
      if (given % BATCH === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Called when Redis refuses a subscription. */
  onRefused(listener: () => void): void {
    this.#onRefused.add(listener)
  }

  /** Rejects while Redis still refuses what it last refused. */
  async tryRefused(): Promise<void> {
    const channel = this.#refusedChannel
    if (channel === undefined) return
    const { client } = this.#connection
    const ignore = (): void => {}
    await client.subscribe(channel, ignore)
    if (this.#refusedChannel === channel) this.#refusedChannel = undefined
    await client.unsubscribe(channel, ignore)
  }

  close(): void {
    this.#closed = true
  }

  #join(channel: string, onHint: OnHint): Subscription {
    let subscription = this.#subscriptions.get(channel)
    if (subscription === undefined) {
      subscription = { hints: new Set(), armed: this.#subscribe(channel), isArmed: false }
      this.#subscriptions.set(channel, subscription)
      const known = subscription
      known.armed.then(
        () => {
          known.isArmed = true
          this.#leaveIfUnwanted(channel, known)
        },
        () => {
          if (this.#subscriptions.get(channel) === known) this.#subscriptions.delete(channel)
        },
      )
    }
    subscription.hints.add(onHint)
    return subscription
  }

  #leave(channel: string, onHint: OnHint): void {
    const subscription = this.#subscriptions.get(channel)
    if (subscription?.hints.delete(onHint)) this.#leaveIfUnwanted(channel, subscription)
  }

  /**
   * An UNSUBSCRIBE must not overtake its SUBSCRIBE: a third call in between would
   * count as subscribed and then be cut off with the first. And it always names
   * the listener, or the library drops a SUBSCRIBE that runs beside it.
   */
  #leaveIfUnwanted(channel: string, subscription: Subscription): void {
    if (subscription.hints.size > 0 || !subscription.isArmed) return
    if (this.#subscriptions.get(channel) !== subscription) return
    this.#subscriptions.delete(channel)
    this.#unsubscribe(channel)
  }

  async #subscribe(channel: string): Promise<void> {
    const { client, link } = this.#connection
    const giveUpAt = performance.now() + GRACE_MS
    for (;;) {
      // Offline, the library would queue it without end.
      if (!link.ready && !(await link.recovered(GRACE_MS))) break
      try {
        return await client.subscribe(channel, this.#onEvent)
      } catch (error) {
        if (this.#closed || performance.now() > giveUpAt) break
        if (!link.ready) continue
        if (refusalOf(error) !== undefined) {
          this.#refusedChannel = channel
          for (const listener of this.#onRefused) listener()
        }
        throw noResult('the subscription was refused', error)
      }
    }
    throw new GatewayError('results_down', 'the subscription could not be made')
  }

  #unsubscribe(channel: string): void {
    // Lost with the link, it is caught up on by `#unsubscribeOrphans`.
    this.#connection.client.unsubscribe(channel, this.#onEvent).catch(() => {})
  }

  /** What the library has subscribed to again though no request waits for it any more. */
  #unsubscribeOrphans(): void {
    for (const channel of this.#connection.client.getPubSubListeners('CHANNELS').keys()) {
      if (channel.startsWith(this.#prefix) && !this.#subscriptions.has(channel)) {
        this.#unsubscribe(channel)
      }
    }
  }

  /** One function for all channels. It must not throw: the library would lose the rest of what it has just read. */
  readonly #onEvent = (event: string, channel: string): void => {
    if (!this.#events.has(event)) return
    const hints = this.#subscriptions.get(channel)?.hints
    if (hints) for (const hint of hints) this.#give(hint, 'notification')
  }

  #give(hint: OnHint, source: HintSource): void {
    try {
      hint(source)
    } catch (error) {
      this.#log.error(errorFields(error), 'push.hint_failed')
    }
  }
}

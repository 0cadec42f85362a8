import { createClient } from 'redis'
import { Link } from '../link.ts'
import { errorFields, serverFields } from '../telemetry/log.ts'
import { Outage } from '../telemetry/outage.ts'
import { scripts } from './record/scripts.ts'
import { refusalOf } from './refusal.ts'
import type { Log } from '../telemetry/log.ts'
import type { Refusal } from './refusal.ts'

export type RedisClient = ReturnType<typeof newClient>

/** How often the watchdog looks, and after how many silent looks it gives a connection up: 3 s in all. */
export const TICK_MS = 500
export const SILENT_TICKS = 4
/** A connection that stays for this long was renewed successfully: the next renewal is at once again. */
const STANDS_AFTER_MS = 10_000
const MAX_RENEWAL_DELAY_MS = 2_000

/**
 * One connection to Redis that comes back by itself.
 *
 * The library reconnects after an error that it notices; a peer that falls silent
 * it would wait for without end (its timeouts end where a command is written).
 * So a PING is sent every second. Replies come in order: one that is answered
 * proves that every command before it was, and when none is for 2 s the
 * connection is given up, which ends all commands in flight. No command needs a
 * timer of its own.
 *
 * A primary that has become a replica keeps its connections and answers PING. So a reply of
 * READONLY ends the connection, and a new one is made, which may find the new primary.
 */
export class RedisConnection {
  readonly client: RedisClient
  readonly link = new Link()
  readonly #log: Log
  /** Which connection a line of the log is about. */
  readonly #fields: { readonly role: string; readonly server: string; readonly user: string }
  readonly #onReady = new Set<() => void>()
  readonly #onLost = new Set<() => void>()
  readonly #onRefusal = new Set<(refusal: Refusal) => void>()
  readonly #outage = new Outage()
  #watchdog: NodeJS.Timeout | undefined
  #silentTicks = 0
  #ticks = 0
  /** A TCP connection stands, but its handshake has not been answered yet. */
  #handshaking = false
  #closed = false
  #renewal: NodeJS.Timeout | undefined
  #renewals = 0
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(url: string, role: 'data' | 'subscriber' | 'worker', log: Log) {
    this.#log = log
    this.#fields = { role, ...serverFields(url) }
    this.client = newClient(url, role)
    this.#watchReplies()
    this.client.on('connect', () => {
      this.#handshaking = true
      this.#silentTicks = 0
    })
    this.client.on('ready', () => this.#ready())
    this.client.on('error', (error: unknown) => this.#lost(error))
    this.client.on('end', () => void (this.#closed && this.link.down('closed')))
  }

  /** Starts connecting; resolves at once. `link` tells how it goes. */
  open(): void {
    this.#connect()
    this.#watchdog = setInterval(() => this.#tick(), TICK_MS)
  }

  /** Called after every (re)connect, once all earlier subscriptions are live again. */
  onReady(listener: () => void): void {
    this.#onReady.add(listener)
  }

  /** Called when the connection is lost. Commands in flight have no reply then. */
  onLost(listener: () => void): void {
    this.#onLost.add(listener)
  }

  /** Called for each reply that says something against the server, whichever command it answers. */
  onRefusal(listener: (refusal: Refusal) => void): void {
    this.#onRefusal.add(listener)
  }

  /** Ends the connection and makes a new one: at once, and later each time this is asked for again soon. */
  renew(reason: string): void {
    if (this.#closed || this.#renewal !== undefined || !this.client.isReady) return
    const now = performance.now()
    this.#renewals = now - this.#renewedAt > STANDS_AFTER_MS ? 0 : this.#renewals + 1
    const delay = this.#renewals === 0 ? 0 : 50 * 2 ** this.#renewals
    this.#log.warn({ ...this.#fields, error: reason }, 'redis.renewed')
    this.#giveUp(reason, Math.min(delay, MAX_RENEWAL_DELAY_MS))
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#watchdog)
    clearTimeout(this.#renewal)
    if (this.client.isOpen) this.client.destroy()
    this.link.down('closed')
  }

  /**
   * Every command goes through one function of the client, and its caller sees the reply as
   * before. The library hands out an object whose prototype is the client that it works with.
   */
  #watchReplies(): void {
    const client = Object.getPrototypeOf(this.client) as Pick<RedisClient, 'sendCommand'>
    const send = client.sendCommand
    const look = (error: unknown): void => {
      const refusal = refusalOf(error)
      if (refusal === undefined) return
      for (const listener of this.#onRefusal) listener(refusal)
      if (refusal.isDemotion) this.renew(refusal.reason)
    }
    client.sendCommand = function (this: unknown, ...command: unknown[]) {
      const reply = (send as (...args: unknown[]) => Promise<unknown>).apply(this, command)
      reply.catch(look)
      return reply
    } as typeof client.sendCommand
  }

  #connect(): void {
    if (this.#closed) return
    // Rejects only when the client is closed: until then the library tries again.
    this.client
      .connect()
      .catch((error: unknown) => this.#log.debug(errorFields(error), 'redis.closed'))
  }

  #ready(): void {
    this.#handshaking = false
    this.#silentTicks = 0
    this.#outage.over()
    this.#log.info(this.#fields, 'redis.connected')
    this.link.up()
    for (const listener of this.#onReady) listener()
  }

  #lost(error: unknown): void {
    if (this.client.isReady) return
    this.#handshaking = false
    const { error: reason } = errorFields(error)
    const wasReady = this.link.ready
    this.#down(reason, refusalOf(error)?.needsOperator)
    const event = wasReady ? 'redis.disconnected' : 'redis.connect_failed'
    this.#outage.tell(reason, (since) => this.#warn(reason, since, event))
  }

  #down(reason: string, needsOperator = false): void {
    const wasReady = this.link.ready
    this.link.down(reason, { needsOperator })
    if (wasReady) for (const listener of this.#onLost) listener()
  }

  #warn(error: string, since: { since?: string }, event: string): void {
    this.#log.warn({ ...this.#fields, error, ...since }, event)
  }

  /** Counts looks instead of reading the clock: a stall of our own event loop is one look, not a silent peer. */
  #tick(): void {
    this.#ticks += 1
    this.#outage.repeat((since, reason) => this.#warn(reason, since, 'redis.connect_failed'))
    if (this.#silentTicks > 0 || this.#handshaking) {
      this.#silentTicks += 1
      if (this.#silentTicks > SILENT_TICKS) this.#giveUpSilent()
    } else if (this.client.isReady && this.#ticks % 2 === 0) {
      this.#silentTicks = 1
      const answered = (): void => {
        this.#silentTicks = 0
      }
      this.client.ping().then(answered, answered)
    }
  }

  #giveUpSilent(): void {
    const reason = 'no answer to PING'
    this.#outage.tell(reason, (since) => this.#warn(reason, since, 'redis.silent'))
    this.#giveUp(reason)
  }

  #giveUp(reason: string, delayMs = 0): void {
    this.#silentTicks = 0
    this.#handshaking = false
    this.#down(reason)
    this.client.destroy()
    const connect = (): void => {
      this.#renewal = undefined
      this.#renewedAt = performance.now()
      this.#connect()
    }
    // The old attempt ends with its socket, a turn of the event loop later; two attempts at once would fight.
    if (delayMs === 0) setImmediate(() => setImmediate(connect))
    else this.#renewal = setTimeout(connect, delayMs)
  }
}

function newClient(url: string, role: string) {
  return createClient({
    url,
    name: `protollm-${role}`,
    scripts,
    maintNotifications: 'disabled',
    // While it is down, commands fail at once instead of piling up.
    disableOfflineQueue: true,
    // The library's own deadline costs an AbortSignal per command and ends where the command is written.
    commandOptions: { timeout: 0 },
    socket: {
      connectTimeout: 3_000,
      keepAliveInitialDelay: 5_000,
      // At once when a link was cut, then with patience: no herd of replicas at a server that starts.
      reconnectStrategy: (retries) =>
        retries === 0
          ? Math.random() * 20
          : Math.min(50 * 2 ** retries, 2_000) + Math.random() * 200,
    },
  })
}

/** The database a URL names: part of the channel on which its keys are announced. */
export function databaseOf(url: string): number {
  return Number(new URL(url).pathname.slice(1) || 0)
}

import { createClient } from 'redis'
import { Link } from '../link.ts'
import { errorFields } from '../telemetry/log.ts'
import { scripts } from './record/scripts.ts'
import type { Log } from '../telemetry/log.ts'

export type RedisClient = ReturnType<typeof newClient>

/** How often the watchdog looks, and after how many silent looks it gives a connection up: 3 s in all. */
export const TICK_MS = 500
export const SILENT_TICKS = 4

/**
 * One connection to Redis that comes back by itself.
 *
 * The library reconnects after an error it is told of; a peer that falls silent
 * it would wait for without end (its timeouts end where a command is written).
 * So a PING is sent every second. Replies come in order: one that is answered
 * proves that every command before it was, and when none is for 2 s the
 * connection is given up, which ends all commands in flight. No command needs a
 * timer of its own.
 */
export class RedisConnection {
  readonly client: RedisClient
  readonly link = new Link()
  readonly #log: Log
  readonly #role: string
  readonly #onReady = new Set<() => void>()
  #watchdog: NodeJS.Timeout | undefined
  #silentTicks = 0
  #ticks = 0
  /** A TCP connection stands, but its handshake has not been answered yet. */
  #handshaking = false
  #closed = false

  constructor(url: string, role: 'data' | 'subscriber' | 'worker', log: Log) {
    this.#log = log
    this.#role = role
    this.client = newClient(url, role)
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

  close(): void {
    this.#closed = true
    clearInterval(this.#watchdog)
    this.client.destroy()
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
    this.#log.info({ role: this.#role }, 'redis.connected')
    this.link.up()
    for (const listener of this.#onReady) listener()
  }

  #lost(error: unknown): void {
    if (this.client.isReady) return
    this.#handshaking = false
    const { error: reason } = errorFields(error)
    const fields = { role: this.#role, error: reason }
    if (this.link.ready) this.#log.warn(fields, 'redis.disconnected')
    // Tried again without end; said again only when the reason is another one.
    else if (this.link.reason !== reason) this.#log.warn(fields, 'redis.connect_failed')
    this.link.down(reason)
  }

  /** Counts looks instead of reading the clock: a stall of our own event loop is one look, not a silent peer. */
  #tick(): void {
    this.#ticks += 1
    if (this.#silentTicks > 0 || this.#handshaking) {
      this.#silentTicks += 1
      if (this.#silentTicks > SILENT_TICKS) this.#giveUp()
    } else if (this.client.isReady && this.#ticks % 2 === 0) {
      this.#silentTicks = 1
      const answered = (): void => {
        this.#silentTicks = 0
      }
      this.client.ping().then(answered, answered)
    }
  }

  #giveUp(): void {
    this.#silentTicks = 0
    this.#handshaking = false
    this.#log.warn({ role: this.#role }, 'redis.silent')
    this.link.down('no answer to PING')
    this.client.destroy()
    // The old attempt ends with its socket, a turn of the event loop later; two attempts at once would fight.
    setImmediate(() => setImmediate(() => this.#connect()))
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

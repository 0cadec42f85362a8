import { KNOWN_MS, RENEW_MS, SILENT_MS, decodeAnnouncement } from '../announcement.ts'
import { errorFields } from '../telemetry/log.ts'
import { workersKey } from './keys.ts'
import { exchangeModels } from './model-memory.ts'
import { canNeverSucceed } from './record/script.ts'
import { refusalOf } from './refusal.ts'
import type { Announcement, WorkerField, WorkerStop } from '../announcement.ts'
import type { ModelMemory } from '../models.ts'
import type { Log } from '../telemetry/log.ts'
import type { RedisConnection } from './connection.ts'

/** How old the last time of a served model may be in Redis when its gateway is killed. */
const REMEMBER_MS = 600_000

/** What keeps what was heard. */
export interface WorkersDirectory {
  now(): number
  heard(said: Announcement, value: string): boolean
  stopped(stop: WorkerStop): void
  read(fields: readonly WorkerField[], since: number, isEmptied: boolean): void
  cannotHear(): void
  settlesInMs(): number
  silent(): readonly WorkerField[]
  forget(field: WorkerField): void
  toRemember(): readonly ModelMemory[]
  recall(models: readonly ModelMemory[]): void
}

export interface WorkersOptions {
  readonly subscriber: RedisConnection
  readonly data: RedisConnection
  readonly prefix: string
  readonly directory: WorkersDirectory
  readonly log: Log
  readonly renewMs?: number
  readonly silentMs?: number
}

/** Only as long as it has the value that was silent: the worker may have renewed it meanwhile. */
const REMOVE = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
`

/**
 * Hears the workers that announce themselves, on one channel for all of them. After every
 * connect it reads the hash, in which each has a field: that is all there is to know of the time
 * before. A field that no worker renews is removed here, because its worker has died.
 */
export class Workers {
  readonly #options: WorkersOptions
  readonly #renewMs: number
  readonly #silentMs: number
  readonly #complaints = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #again = false
  #closed = false
  #isSubscribed = false
  /** Since when every word of the workers reaches us; undefined while that is not so. */
  #listeningSince: number | undefined
  #isForbidden = false
  #problem = 'not connected yet'
  #rememberAt = Number.POSITIVE_INFINITY

  constructor(options: WorkersOptions) {
    const { renewMs = RENEW_MS, silentMs = SILENT_MS, subscriber, data } = options
    this.#options = options
    this.#renewMs = renewMs
    this.#silentMs = silentMs
    for (const connection of [subscriber, data]) {
      connection.onReady(() => {
        if (connection === subscriber) this.#listeningSince = undefined
        this.#isForbidden = false
        this.#read()
      })
    }
  }

  open(): void {
    this.#timer = setInterval(() => void this.#tend(), this.#renewMs)
  }

  /** Why workers cannot be heard; empty while they can. */
  get problem(): string {
    const { subscriber, data } = this.#options
    return subscriber.link.reason || data.link.reason || this.#problem
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#running
  }

  /** One reading at a time; asked for during one, another follows it. */
  #read(): void {
    this.#again = true
    this.#running ??= this.#readUntilCurrent().finally(() => {
      this.#running = undefined
    })
  }

  async #readUntilCurrent(): Promise<void> {
    const { subscriber, data } = this.#options
    while (this.#again && !this.#closed) {
      this.#again = false
      if (!subscriber.link.ready || !data.link.ready) return
      try {
        await this.#readOnce()
      } catch (error) {
        this.#failed(error)
      }
    }
  }

  /** Subscribed first, so that what is not in the hash any more, or not yet, is heard. */
  async #readOnce(): Promise<void> {
    const { subscriber, data, prefix, directory } = this.#options
    const key = workersKey(prefix)
    const since = directory.now()
    if (!this.#isSubscribed) {
      await subscriber.client.subscribe(key, this.#onMessage)
      this.#isSubscribed = true
    }
    const [found, models] = await Promise.all([
      data.client.hGetAll(key),
      exchangeModels(data.client, prefix, [], KNOWN_MS),
    ])
    directory.recall(models)
    directory.read(
      Object.entries(found).map(([worker, value]) => this.#fieldOf(worker, value)),
      since,
      models.length === 0,
    )
    this.#listeningSince ??= directory.now()
    this.#problem = ''
    this.#rememberAt = directory.now() + directory.settlesInMs()
    await this.#rememberIfDue()
  }

  #fieldOf(worker: string, value: string): WorkerField {
    const said = decodeAnnouncement(value)
    const isReadable = 'models' in said && said.worker === worker
    if (!isReadable) this.#complain(worker, 'problem' in said ? said.problem : 'another name')
    return { worker, value, announcement: isReadable ? said : undefined }
  }

  /** It must not throw: the library would lose the rest of what it has just read. */
  readonly #onMessage = (text: string): void => {
    const { directory } = this.#options
    const said = decodeAnnouncement(text)
    if ('problem' in said) return this.#complain(undefined, said.problem)
    if ('stopped' in said) directory.stopped(said)
    else if (directory.heard(said, text)) {
      this.#rememberAt = directory.now() + directory.settlesInMs()
      void this.#rememberIfDue()
    }
  }

  /** What no event brings about: a death is a silence. */
  async #tend(): Promise<void> {
    // A Redis that loads its data answers no read, and says nothing when it has done so.
    if (this.#listeningSince === undefined && !this.#isForbidden) this.#read()
    await this.#removeSilent()
    await this.#rememberIfDue()
  }

  /** Only a worker that was silent while we listened all the time is dead. */
  async #removeSilent(): Promise<void> {
    const { subscriber, data, prefix, directory, log } = this.#options
    const listenedMs = directory.now() - (this.#listeningSince ?? Number.POSITIVE_INFINITY)
    if (!subscriber.link.ready || listenedMs < this.#silentMs) return
    const keys = [workersKey(prefix)]
    for (const field of directory.silent()) {
      try {
        await data.client.eval(REMOVE, { keys, arguments: [field.worker, field.value] })
        directory.forget(field)
      } catch (error) {
        log.debug(errorFields(error), 'workers.not_removed')
      }
    }
  }

  /**
   * Not before it is known who is there: a gateway that finds models in Redis takes them for all
   * there are. So after an empty Redis, the first gateways write only when all workers were heard.
   */
  async #rememberIfDue(): Promise<void> {
    const { data, prefix, directory, log } = this.#options
    if (directory.now() < this.#rememberAt || directory.settlesInMs() > 0) return
    this.#rememberAt = directory.now() + REMEMBER_MS
    try {
      const known = directory.toRemember()
      directory.recall(await exchangeModels(data.client, prefix, known, KNOWN_MS))
    } catch (error) {
      this.#rememberAt = directory.now() + this.#renewMs
      log.debug(errorFields(error), 'workers.not_remembered')
    }
  }

  #failed(error: unknown): void {
    const { log, subscriber, data, directory } = this.#options
    this.#listeningSince = undefined
    // A connection that is down has been logged by itself.
    if (!subscriber.link.ready || !data.link.ready) return
    const { error: problem } = errorFields(error)
    if (problem !== this.#problem) log.warn({ error: problem }, 'workers.not_heard')
    this.#problem = problem
    // Only an operator can mend it: it is tried again on the next connection.
    this.#isForbidden = refusalOf(error)?.needsOperator === true || canNeverSucceed(error)
    if (this.#isForbidden) directory.cannotHear()
  }

  #complain(worker: string | undefined, problem: string): void {
    const complaint = JSON.stringify([worker, problem])
    if (this.#complaints.has(complaint) || this.#complaints.size >= 1_000) return
    this.#complaints.add(complaint)
    this.#options.log.warn(
      { ...(worker !== undefined && { worker }), problem },
      'worker.unreadable',
    )
  }
}

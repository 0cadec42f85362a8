import { setTimeout as delay } from 'node:timers/promises'
import { Link } from '../src/link.ts'
import { UNREACHABLE } from './engine.ts'
import type { Outcome } from '../src/job.ts'
import type { Log } from '../src/telemetry/log.ts'
import type { EngineServer } from './engine.ts'

/** Between two looks at a server that is away: doubled each time, up to the most. */
const FIRST_LOOK_MS = 500
const MAX_LOOK_MS = 10_000
const LOOK_WITHIN_MS = 5_000
/** A warning that scrolls away is said again. */
const WARN_AGAIN_MS = 60_000

/** The job has not been run, and another worker may have a server that is there. */
export class GiveBack extends Error {
  override readonly name = 'GiveBack'
}

export interface ServerWatchOptions {
  readonly server: EngineServer
  /** Resolves when this worker gets no further jobs. */
  readonly pause: () => Promise<void>
  readonly resume: () => void
  readonly log: Log
}

/** A job whose engine has ended with this outcome. */
export interface Ended {
  readonly outcome: Outcome
  /** It was given to a worker before, which may have given it back. */
  readonly isRedelivered: boolean
  /** What is left of the job's life. */
  readonly leftMs: number
  readonly signal: AbortSignal
}

/**
 * Knows whether the engine's server is away, and keeps the worker from taking jobs while it is: a worker that
 * fails each job at once would take them all from those that work.
 */
export class ServerWatch {
  readonly #options: ServerWatchOptions
  readonly #link = new Link()
  readonly #closed = new AbortController()
  #paused: Promise<void> | undefined

  constructor(options: ServerWatchOptions) {
    this.#options = options
    this.#link.up()
  }

  get isAway(): boolean {
    return this.#paused !== undefined
  }

  /**
   * Whether the job is to be run once more. Throws a `GiveBack` where it is another worker's: once for each
   * job, because a broker counts its deliveries. A job that comes back is kept until the server is back.
   */
  async shouldRunAgain({ outcome, isRedelivered, leftMs, signal }: Ended): Promise<boolean> {
    if (outcome.kind !== 'failed' || outcome.type !== UNREACHABLE) return false
    if (!this.isAway && (await this.#look(signal))) return false
    signal.throwIfAborted()
    this.#paused ??= this.#pause()
    await this.#paused
    if (!isRedelivered || this.#closed.signal.aborted) throw new GiveBack('the server is away')
    return this.#backWithin(leftMs, signal)
  }

  /** Gives back what waits. */
  close(): void {
    this.#closed.abort(new GiveBack('the worker stops'))
  }

  async #backWithin(leftMs: number, signal: AbortSignal): Promise<boolean> {
    const aborts = [signal, this.#closed.signal]
    let onAbort = (): void => {}
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(aborts.find((each) => each.aborted)?.reason as Error)
    })
    for (const each of aborts) each.addEventListener('abort', onAbort)
    try {
      if (aborts.some((each) => each.aborted)) onAbort()
      return await Promise.race([this.#link.until(Math.max(0, leftMs)), aborted])
    } finally {
      for (const each of aborts) each.removeEventListener('abort', onAbort)
    }
  }

  async #pause(): Promise<void> {
    const { server, pause, log } = this.#options
    this.#link.down('the server is away')
    log.warn({ server: server.address }, 'worker.server_unreachable')
    void this.#lookUntilBack()
    await pause()
  }

  /** Never rejects. */
  async #lookUntilBack(): Promise<void> {
    const { server, resume, log } = this.#options
    const { signal } = this.#closed
    const since = performance.now()
    let warnedAt = since
    try {
      for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(2 * lookMs, MAX_LOOK_MS)) {
        await delay(lookMs, undefined, { signal })
        if (await this.#look(signal)) break
        if (performance.now() - warnedAt < WARN_AGAIN_MS) continue
        warnedAt = performance.now()
        const awayS = Math.round((warnedAt - since) / 1_000)
        log.warn({ server: server.address, away_s: awayS }, 'worker.server_unreachable')
      }
    } catch {
      // Closed.
      return
    }
    log.info({ server: server.address }, 'worker.server_back')
    this.#paused = undefined
    this.#link.up()
    resume()
  }

  #look(signal: AbortSignal): Promise<boolean> {
    return this.#options.server.isReachable(
      AbortSignal.any([signal, AbortSignal.timeout(LOOK_WITHIN_MS)]),
    )
  }
}

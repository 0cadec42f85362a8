import { hash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { BLIP_MS, admitResults } from './admission.ts'
import { GatewayError, isRejection } from '../errors.ts'
import { wireId } from '../job.ts'
import { conflict } from './held-claim.ts'
import { PendingJob } from './pending-job.ts'
import { stagesOf } from './stages.ts'
import type { Client } from './client.ts'
import type { Job, JobView, Outcome } from '../job.ts'
import type { Link } from '../link.ts'
import type { PendingJobParts } from './pending-job.ts'
import type { Stages } from './stages.ts'

/** The last read must not hold up the answer for longer. */
const LAST_READ_MS = 800

export interface GatewayOptions extends PendingJobParts {
  /** All that must be ready for a result to reach us. */
  readonly resultLinks: readonly Link[]
  /** Requests held at once. */
  readonly maxPending: number
}

export interface RunOptions {
  readonly client?: Client | undefined
  /** How long the request is held, where that is shorter than usual. */
  readonly waitMs?: number | undefined
  /** Leaving, or the end of the wait, is no wish to cancel it. */
  readonly isKept?: boolean
}

export interface Answer {
  readonly outcome: Outcome
  /** The outcome was known before this request came. */
  readonly isReplay: boolean
  readonly stages: Stages
  /** When the job was first asked for, in milliseconds since 1970. */
  readonly createdAt: number | null
}

/** A job that is accepted, as it stands then. */
export interface Submitted {
  readonly view: JobView
  /** It had an outcome before this request came. */
  readonly isReplay: boolean
}

/**
 * The order of steps, with `PendingJob` the only place that fixes it: admit,
 * join, arm and claim together, publish, await, last read, leave. `README.md`
 * beside this file says why each stands where it does.
 */
export class Gateway {
  readonly #options: GatewayOptions
  /** Wire id -> the job somebody waits for here: at most one by an id. */
  readonly #jobs = new Map<string, PendingJob>()
  #requests = 0
  #isDraining = false
  #onIdle = (): void => {}

  constructor(options: GatewayOptions) {
    this.#options = options
  }

  /** Requests that are held here now. */
  get pending(): number {
    return this.#requests
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Resolves with the job's outcome; rejects with a GatewayError that tells whether it was accepted. */
  async run(job: Job, options: RunOptions = {}): Promise<Answer> {
    const started = performance.now()
    return this.#held(job, async (pending) => {
      if (options.isKept) pending.keep()
      const answer = await this.#await(pending, started, options)
      this.#options.metrics.jobSeconds.observe({ mode: 'wait' }, answer.stages.total / 1000)
      return answer
    })
  }

  /**
   * Resolves when the job is known to be accepted, with how it stands then; rejects
   * as `run` does. It goes on whether or not anybody waits for it.
   */
  async submit(job: Job): Promise<Submitted> {
    return this.#held(job, async (pending) => {
      pending.keep()
      await pending.entered
      await this.#accepted(pending)
      // Its result stood there when it was asked for.
      if (pending.isReplay) await atMost(LAST_READ_MS, pending.lastRead())
      const { ending } = pending.waiters
      const { createdAt, isReplay } = pending
      const view = { id: job.id, createdAt, finishedAt: null }
      if (ending === undefined) {
        if (!pending.acceptance.isAccepted) throw pending.timedOut(this.#options.timeoutMs)
        return { view: { ...view, status: pending.status, outcome: null }, isReplay: false }
      }
      if ('error' in ending) throw ending.error
      const { outcome } = ending
      return { view: { ...view, status: outcome.kind, outcome }, isReplay }
    })
  }

  /** Admits, joins, and counts a request as held while `work` goes on. */
  async #held<T>(job: Job, work: (pending: PendingJob) => Promise<T>): Promise<T> {
    const { maxPending, metrics } = this.#options
    this.#requests += 1
    try {
      if (this.#isDraining) throw draining()
      if (this.#requests > maxPending) {
        throw new GatewayError('overloaded', 'too many requests are pending')
      }
      if (!this.#isOpen) await this.#admit()
      const pending = this.#joinAtOnce(job) ?? (await this.#join(job))
      try {
        return await work(pending)
      } finally {
        this.#leave(pending)
      }
    } catch (error) {
      const { code } = error as Partial<GatewayError>
      if (code !== undefined && isRejection(code)) metrics.rejected.inc({ reason: code })
      throw error
    } finally {
      this.#requests -= 1
      if (this.#requests === 0) this.#onIdle()
    }
  }

  /** Takes nothing new, lets what is pending finish for up to `graceMs`, then tells the rest. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    if (this.#requests === 0) return
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
    await atMost(graceMs, idle)
    for (const pending of this.#jobs.values()) pending.interrupt()
    await idle
  }

  /** Whether all is there that a job needs. */
  get #isOpen(): boolean {
    const { resultLinks, broker } = this.#options
    return broker.link.ready && resultLinks.every(isReady)
  }

  async #admit(): Promise<void> {
    const { resultLinks, broker } = this.#options
    await admitResults(resultLinks)
    if (!broker.link.ready && !(await broker.link.recovered(BLIP_MS))) {
      throw broker.isBlocked
        ? new GatewayError('broker_blocked', 'the broker takes no messages now')
        : new GatewayError('broker_down', 'the broker is not connected')
    }
  }

  /** Whoever joins a pending job must have asked for the same. `undefined`: nobody knows yet who holds its id. */
  #joinAtOnce(job: Job): PendingJob | undefined {
    const id = wireId(job)
    const fingerprint = fingerprintOf(job)
    const existing = this.#jobs.get(id)
    if (existing === undefined) return this.#add(job, id, fingerprint)
    if (existing.fingerprint === fingerprint && existing.job.owner === job.owner) {
      existing.waiters.join()
      return existing
    }
    if (existing.isEntered) throw conflict()
    return undefined
  }

  /** Another payload is about to claim the id; but another replica may hold it, for ours. */
  async #join(job: Job): Promise<PendingJob> {
    for (;;) {
      await this.#jobs.get(wireId(job))?.entered
      const joined = this.#joinAtOnce(job)
      if (joined !== undefined) return joined
    }
  }

  #add(job: Job, id: string, fingerprint: string): PendingJob {
    // A stop that began while this request waited for a link has told all others already.
    if (this.#isDraining) throw draining()
    const pending = new PendingJob({ job, wireId: id, fingerprint }, this.#options, () =>
      this.#remove(id, pending),
    )
    this.#jobs.set(id, pending)
    pending.waiters.join()
    pending.start()
    return pending
  }

  /** The id is free for the next one; those who wait for this one are not touched. */
  #remove(id: string, pending: PendingJob): void {
    if (this.#jobs.get(id) === pending) this.#jobs.delete(id)
  }

  async #await(pending: PendingJob, started: number, options: RunOptions): Promise<Answer> {
    const { client, waitMs = Infinity } = options
    const timeoutMs = Math.min(this.#options.timeoutMs, waitMs)
    let result = await pending.waiters.wait(started + timeoutMs - performance.now(), client)
    if (result === 'gone') throw new GatewayError('client_gone', 'the client has left')
    if (result === 'over') {
      // A short wait is no reason not to know whether it will run.
      if (options.isKept) await this.#accepted(pending)
      await atMost(LAST_READ_MS, pending.lastRead())
      result = pending.waiters.ending ?? { error: pending.timedOut(timeoutMs) }
    }
    if ('error' in result) throw result.error
    const { createdAt } = pending
    return { ...result, createdAt, stages: stagesOf(pending.moments, started) }
  }

  async #accepted(pending: PendingJob): Promise<void> {
    if (pending.waiters.ending !== undefined) return
    const settled = new Promise<void>((resolve) => pending.acceptance.whenSettled(resolve))
    await atMost(this.#options.timeoutMs, settled)
  }

  /** The last one out disarms and makes room. */
  #leave(pending: PendingJob): void {
    if (!pending.waiters.leave()) return
    this.#remove(wireId(pending.job), pending)
    pending.abandon()
  }
}

/** Two requests are the same job if these are equal; how long somebody waits is no part of it. */
function fingerprintOf({ queue, messages, meta, priority, source }: Job): string {
  const { temperature, tokensLimit, stopWords, model } = meta
  const texts = messages.map(({ role, content }) => [role, content])
  const canonical = [queue, texts, temperature, tokensLimit, stopWords, model, priority, source]
  return hash('sha256', JSON.stringify(canonical), 'base64')
}

/** Resolves when the work is done or the time is over, and leaves no timer behind. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const timer = new AbortController()
  const over = delay(ms, undefined, { signal: timer.signal }).catch(() => {})
  await Promise.race([work, over])
  timer.abort()
}

const isReady = (link: Link): boolean => link.ready

const draining = () => new GatewayError('draining', 'the gateway is stopping')

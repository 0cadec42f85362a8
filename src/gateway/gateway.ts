import { GatewayError, clientGone, isRejection, stillRunning } from '../errors.ts'
import { hasEnded, wireId } from '../job.ts'
import { Admission } from './admission.ts'
import { Follower } from './follower.ts'
import { cancelJob, lookAtJob } from './job-view.ts'
import { PendingJobs } from './pending-jobs.ts'
import { stagesOf } from './stages.ts'
import type { ErrorCode } from '../errors.ts'
import type { Job, JobEvent, JobView, Outcome } from '../job.ts'
import type { Position } from './event-log.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { ContentUse } from './job-content.ts'
import type { PendingJob } from './pending-job.ts'
import type { Asked } from './pending-jobs.ts'
import type { JobName } from './job-view.ts'
import type { Stages } from './stages.ts'
import type { Client, Outcomes } from './waiters.ts'

/** The last look must not delay the answer for longer. */
export const LAST_LOOK_MS = 800

export interface RunOptions {
  readonly client?: Client | undefined
  /** How long the request is held, where that is shorter than usual. */
  readonly waitMs?: number | undefined
  /** The client's leaving, or the end of the wait, does not cancel the job. */
  readonly isKept?: boolean
  /** The client chose the id. So it may come back by it, and its leaving cancels the job only after a grace. */
  readonly mayReturn?: boolean
  readonly content?: ContentUse | undefined
}

export interface StreamOptions {
  readonly client?: Client | undefined
  readonly isKept?: boolean
  /** As in `RunOptions`. */
  readonly mayReturn?: boolean
  readonly content?: ContentUse | undefined
}

/** A job that is accepted, as it is now. */
export interface Submitted {
  readonly view: JobView
  /** Its outcome was known before this request came. */
  readonly isReplay: boolean
}

/** A job that has its outcome. */
export interface Answer extends Submitted {
  readonly outcome: Outcome
  readonly stages: Stages
}

/** The one face of the gateway: every surface works with it and with nothing behind it. */
export class Gateway {
  readonly #parts: GatewayParts
  readonly #admission: Admission
  readonly #jobs: PendingJobs

  constructor(parts: GatewayParts) {
    this.#parts = parts
    this.#admission = new Admission(parts)
    this.#jobs = new PendingJobs(parts, this.#admission)
  }

  /** Requests that are held here now. */
  get pending(): number {
    return this.#admission.pending
  }

  get isDraining(): boolean {
    return this.#admission.isDraining
  }

  /** Throws where no request is admitted now, so that its body need not be read. */
  look(): void {
    this.#admission.look()
  }

  /** Resolves with the job's outcome; rejects with a GatewayError that says whether the job was accepted. */
  run(job: Job, options: RunOptions = {}): Promise<Answer> {
    const started = performance.now()
    const { mayReturn, content } = options
    return this.#held(job, { mode: 'wait', mayReturn, content }, async (pending) => {
      if (options.isKept) pending.demand.keep()
      const ending = await this.#outcome(pending, started, options)
      const { outcome, isReplay } = ending
      const stages = stagesOf(pending, ending, started)
      this.#parts.metrics.jobSeconds.observe({ mode: 'wait' }, stages.total / 1000)
      return { view: viewOf(pending, ending), outcome, isReplay, stages }
    })
  }

  /** Resolves when the job is accepted, with how it is then; rejects as `run` does. It runs whether or not a client waits. */
  submit(job: Job, content?: ContentUse): Promise<Submitted> {
    return this.#held(job, { mode: 'async', content }, (pending) => this.#accepted(pending))
  }

  /**
   * Submits the job and follows its events. Rejects before the first batch as `submit` does.
   * `isKept`: the client can come back to it, so that its leaving does not cancel the job.
   */
  async *stream(
    job: Job,
    { client, isKept = true, mayReturn, content }: StreamOptions = {},
  ): AsyncGenerator<readonly JobEvent[]> {
    const follower = new Follower(this.#parts, job, client)
    let known: 'nothing' | 'accepted' | 'events' = 'nothing'
    await this.#admission.enter('broker', follower.inbox)
    // The watch begins with the publish, so that each key is subscribed to once.
    follower.watch()
    let pending: PendingJob | undefined
    try {
      if (isKept) await this.#joined(job, { mode: 'stream', content }, (it) => this.#accepted(it))
      else {
        const asked: Asked = { mode: 'stream', mayReturn, content }
        pending = await this.#joinedUntilAccepted(job, asked, client)
      }
      known = 'accepted'
      for await (const batch of follower.events(undefined)) {
        known = 'events'
        yield batch
      }
    } catch (error) {
      const isUnread = error instanceof GatewayError && UNREAD.has(error.code)
      if (known !== 'accepted' || !isUnread) throw error
      // The answer says that the job runs on, so the client's leaving must not cancel it.
      pending?.promise()
      throw stillRunning(error)
    } finally {
      // The same event tells both of the end. Where the client has left, there is none to wait for.
      if (!client?.isGone) await pending?.waiters.wait('ending', LAST_LOOK_MS)
      if (pending !== undefined) this.#jobs.leave(pending)
      follower.end()
      this.#admission.leave(follower.inbox)
    }
  }

  /** How a job is now. Rejects with `not_found`, also where it is another owner's. */
  async view(name: JobName): Promise<JobView> {
    return (await lookAtJob(this.#parts, name)).view
  }

  /** The job as soon as it has ended, or as it is after `waitMs`. */
  async hold(name: JobName, waitMs: number, client?: Client): Promise<JobView> {
    const follower = new Follower(this.#parts, name, client)
    await this.#admission.enter('results', follower.inbox)
    try {
      return await follower.outcome(performance.now() + waitMs)
    } finally {
      follower.end()
      this.#admission.leave(follower.inbox)
    }
  }

  /**
   * What happens to a job, in order and in batches, from a position on. The first batch is
   * the status, so that it is known then that the job exists. Ends after `done`, or when the
   * client has left; rejects with `interrupted` when the gateway stops.
   */
  async *follow(
    name: JobName,
    from: Position | undefined,
    client?: Client,
  ): AsyncGenerator<readonly JobEvent[]> {
    const follower = new Follower(this.#parts, name, client)
    await this.#admission.enter('results', follower.inbox)
    follower.watch()
    try {
      yield* follower.events(from)
    } finally {
      follower.end()
      this.#admission.leave(follower.inbox)
    }
  }

  /** Ends a job, although requests wait for it. If it has ended before, that end stays. Resolves with the job as it is then. */
  cancel(name: JobName): Promise<JobView> {
    return cancelJob(this.#parts, name)
  }

  /** What was kept of the job's request (`Job.kept`); undefined where there is nothing. */
  kept(name: JobName): Promise<string | undefined> {
    const { kept, records } = this.#parts
    return kept.get(records.keysOf(wireId(name)))
  }

  /** Whether the first of the job's deltas are gone, so that not all of its events can be told any more. */
  lacksDeltas(name: JobName): Promise<boolean> {
    const { deltas, records } = this.#parts
    return deltas.isTrimmed(records.keysOf(wireId(name)).deltas)
  }

  /** Ends the job if it has not ended, and removes all that is stored of it. Rejects with `not_found`. */
  async remove(name: JobName): Promise<void> {
    const { kept, records } = this.#parts
    for (;;) {
      await this.cancel(name)
      const { view, run } = await lookAtJob(this.#parts, name)
      // A request with the same key may have begun another run meanwhile.
      if (hasEnded(view) && (await kept.removeJob(records.keysOf(wireId(name)), run))) return
    }
  }

  /** Admits no request any more, lets those that are held finish for up to `graceMs`, then sends them away. */
  drain(graceMs: number): Promise<void> {
    this.#jobs.endGraces()
    return this.#admission.drain(graceMs, () => this.#jobs.interrupt())
  }

  /** Counts the request as held while `work` waits for its job. */
  async #held<T>(job: Job, asked: Asked, work: (pending: PendingJob) => Promise<T>): Promise<T> {
    await this.#admission.enter('broker')
    try {
      return await this.#joined(job, asked, work)
    } finally {
      this.#admission.leave()
    }
  }

  /** Joins the job of this id, or begins it, while `work` waits for it. */
  #joined<T>(job: Job, asked: Asked, work: (pending: PendingJob) => Promise<T>): Promise<T> {
    return this.#countingRejections(async () => {
      const pending = this.#jobs.joinAtOnce(job, asked) ?? (await this.#jobs.join(job, asked))
      try {
        return await work(pending)
      } finally {
        this.#jobs.leave(pending)
      }
    })
  }

  /** Resolves when the job is accepted. Until the request leaves it, it is one of those that wait for it. */
  #joinedUntilAccepted(job: Job, asked: Asked, client?: Client): Promise<PendingJob> {
    return this.#countingRejections(async () => {
      const pending = this.#jobs.joinAtOnce(job, asked) ?? (await this.#jobs.join(job, asked))
      const { timeoutMs } = this.#parts
      const result = await pending.waiters.wait('accepted', timeoutMs, client)
      const isAccepted =
        result === 'accepted' || (typeof result === 'object' && !('error' in result))
      if (isAccepted) return pending
      const overdue = result === 'over' ? pending.timeOut(timeoutMs) : clientGone()
      this.#jobs.leave(pending)
      throw typeof result === 'object' && 'error' in result ? result.error : overdue
    })
  }

  async #countingRejections<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof GatewayError && isRejection(error.code)) {
        this.#parts.metrics.rejected.inc({ reason: error.code })
      }
      throw error
    }
  }

  async #outcome(
    pending: PendingJob,
    started: number,
    { client, isKept, waitMs = Infinity }: RunOptions,
  ): Promise<Outcomes> {
    const timeoutMs = Math.min(this.#parts.timeoutMs, waitMs)
    const leftMs = started + timeoutMs - performance.now()
    let result = await pending.waiters.wait('ending', leftMs, client)
    if (result === 'gone') throw clientGone()
    if (typeof result === 'string') {
      // However short the wait is, the answer says whether the job will run.
      if (isKept) {
        pending.promise()
        await pending.waiters.wait('accepted', this.#parts.timeoutMs)
      }
      await pending.lookWithin(LAST_LOOK_MS)
      result = pending.waiters.ending ?? { error: pending.timeOut(timeoutMs) }
    }
    if ('error' in result) throw result.error
    return result
  }

  async #accepted(pending: PendingJob): Promise<Submitted> {
    pending.promise()
    const { timeoutMs } = this.#parts
    const result = await pending.waiters.wait('accepted', timeoutMs)
    if (typeof result === 'object' && 'error' in result) throw result.error
    if (result === 'over') throw pending.timeOut(timeoutMs)
    if (typeof result === 'string') return { view: viewOf(pending), isReplay: false }
    return { view: viewOf(pending, result), isReplay: result.isReplay }
  }
}

/** A job that was accepted runs, although its events cannot be read for one of these. */
const UNREAD: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['results_down', 'not_found'])

function viewOf({ claimant, claim, status }: PendingJob, ending?: Outcomes): JobView {
  const { outcome = null, finishedAt = null } = ending ?? {}
  const createdAt = claim?.createdAt ?? null
  return { id: claimant.job.id, status: outcome?.kind ?? status, createdAt, finishedAt, outcome }
}

import { acceptanceUnknown, jobConflict, jobExpired, noWorkers, toGatewayError } from '../errors.ts'
import { errorFields } from '../telemetry/log.ts'
import { Inbox } from './inbox.ts'
import { claimArmed, claimJob, leaveRun, readOutcome, releaseJob } from './claimed-run.ts'
import { LEFT_AS, dueAt, interruptedIn, isKept, isTold, moved, timedOutIn } from './job-state.ts'
import { publishUntilKnown } from './publish.ts'
import { Waiters } from './waiters.ts'
import type { GatewayError } from '../errors.ts'
import type { HintSource } from '../redis/push.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { Claimant, Held, ReadSource } from './claimed-run.ts'
import type { JobState, Wanted } from './job-state.ts'
import type { Sent } from './publish.ts'
import type { Ending } from './waiters.ts'

type Note =
  | { readonly kind: 'hint'; readonly source: HintSource; readonly at: number }
  | { readonly kind: 'look'; readonly done: () => void }
  | { readonly kind: 'sent'; readonly run: string; readonly sent: Sent }
  | { readonly kind: 'late'; readonly run: string }
  | { readonly kind: 'promised' | 'left' }

interface PendingJobOptions {
  readonly mode: string
  readonly onEnd: (pending: PendingJob) => void
}

/**
 * One job id while requests wait for it in this process: claim, publish, read until it ends.
 * The steps belong to the job and not to the first request, whose client may leave.
 */
export class PendingJob {
  readonly claimant: Claimant
  readonly waiters = new Waiters()
  /** Settles when it is known whether this payload holds the id. */
  readonly claimed: Promise<void>
  readonly #parts: GatewayParts
  readonly #options: PendingJobOptions
  readonly #inbox = new Inbox<Note>()
  /** As the id was found last; undefined before it is known whether this payload holds it. */
  claim: Held | undefined
  /** What the worker has written about the job that has no end yet. */
  status: 'queued' | 'running' = 'queued'
  /** When the message was handed to the broker, on the monotonic clock in ms. */
  publishedAt: number | undefined
  #state: JobState = 'claiming'
  #wanted: Wanted = 'asked'

  constructor(claimant: Claimant, options: PendingJobOptions, parts: GatewayParts) {
    this.claimant = claimant
    this.#parts = parts
    this.#options = options
    const watch = parts.push.watch(claimant.keys.results, (source) =>
      this.#inbox.replace({ kind: 'hint', source, at: performance.now() }),
    )
    this.claimed = this.#claimFirst(watch.armed)
    void this.claimed.then(() => this.#follow()).finally(() => watch.end())
  }

  /** From now on, no client's leaving cancels the job. */
  keep(): void {
    if (this.#wanted === 'asked') this.#wanted = 'kept'
  }

  /** The answer that a client is about to get says that the job keeps running. */
  promise(): void {
    if (this.#wanted !== 'overdue') this.#wanted = 'promised'
    this.#inbox.put({ kind: 'promised' })
  }

  /** The time of a request is over; returns what it gets. The job keeps running where it was accepted. */
  timeOut(timeoutMs: number): GatewayError {
    this.#wanted = 'overdue'
    const { queue } = this.claimant.job
    const hasNoWorker = this.#parts.broker.workersOf(queue) === 0
    return timedOutIn(this.#state, timeoutMs / 1000, { queue, hasNoWorker })
  }

  /** One more read; resolves when it is done, or after `ms`. */
  lookWithin(ms: number): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      const done = (): void => {
        clearTimeout(timer)
        resolve()
      }
      this.#inbox.put({ kind: 'look', done })
    })
  }

  /** The gateway stops: its requests get their answer now, and the job keeps running where it was accepted. */
  interrupt(): void {
    this.#end({ error: interruptedIn(this.#state) })
    this.promise()
  }

  /** A request has left or has its answer. Returns whether it was the last. */
  leave(): boolean {
    if (!this.waiters.leave()) return false
    if (this.waiters.ending === undefined) {
      this.#count(LEFT_AS[this.#wanted])
      this.#inbox.put({ kind: 'left' })
    }
    return true
  }

  async #claimFirst(armed: Promise<void>): Promise<void> {
    try {
      this.claim = await claimArmed(this.#parts, this.claimant, armed)
    } catch (error) {
      this.#endWith(error)
    }
  }

  /** The loop: takes what has happened, one after the other, until there is nothing left to wait for. */
  async #follow(): Promise<void> {
    if (this.claim === undefined) return
    try {
      await this.#begin(this.claim)
      while (this.#state !== 'ended') {
        const note = await this.#inbox.next(this.#dueAt(this.claim))
        if (note === undefined) await this.#onDue(this.claim)
        else await this.#take(note, this.claim)
      }
    } catch (error) {
      this.#endWith(error)
    }
    for (const note of this.#inbox.rest()) if (note.kind === 'look') note.done()
  }

  /** Does what the claim says. */
  async #begin(claim: Held): Promise<void> {
    this.claim = claim
    const { verdict, isPublished } = claim
    if (verdict === 'conflict') throw jobConflict()
    if (verdict === 'new') return this.#send(claim)
    this.#move(isPublished ? 'accepted' : 'following')
    // It was in flight before our SUBSCRIBE: only a read after its acknowledgement misses nothing.
    await this.#read(claim, 'armed_read')
    if (this.waiters.ending !== undefined || this.claim !== claim) return
    if (isPublished) this.waiters.accept()
    if (verdict === 'takeover') return this.#send(claim)
    // The result that was to be replayed is gone, was another run's, or was no success.
    if (verdict === 'replay') return this.#claimAgain()
  }

  async #claimAgain(): Promise<void> {
    await this.#begin(await claimJob(this.#parts, this.claimant))
  }

  async #take(note: Note, claim: Held): Promise<void> {
    switch (note.kind) {
      case 'hint':
        return this.#isOver ? undefined : this.#read(claim, note.source, note.at)
      case 'look':
        await this.#read(claim, 'deadline')
        return note.done()
      case 'sent':
        // Of a run that was given up since, the answer says nothing.
        return note.run === claim.run ? this.#onSent(note.sent, claim) : undefined
      case 'late':
        return note.run === claim.run && this.#state === 'sending' ? this.#onLate(claim) : undefined
      case 'left':
        return this.#onLeft(claim)
      case 'promised':
        return this.#markOrEnd(claim)
    }
  }

  async #onDue(claim: Held): Promise<void> {
    if (performance.now() >= claim.at + claim.remainingMs) {
      await this.#read(claim, 'deadline')
      if (this.waiters.ending === undefined && this.claim === claim) throw jobExpired()
    } else if (this.#state === 'following') await this.#claimAgain()
    else if (this.#state === 'sending') throw acceptanceUnknown()
    else this.#mark(claim)
  }

  /** Hands the job to the broker. The wait does not stand behind the confirm: an outcome proves that the broker had it. */
  async #send(claim: Held): Promise<void> {
    const { broker, dialect, requireWorkers } = this.#parts
    const { job } = this.claimant
    const { run, verdict } = claim
    const isFirst = verdict === 'new'
    const lacksWorkers = isFirst && requireWorkers && !(await broker.hasWorkers(job.queue))
    if (this.#isUnwanted || lacksWorkers) {
      // Of a takeover, the dead replica's message may be queued all the same.
      const isReleased = isFirst && (await releaseJob(this.#parts, this.claimant, run))
      if (!this.#isUnwanted) throw isReleased ? noWorkers(job.queue) : acceptanceUnknown()
      return isFirst ? this.#move('ended') : undefined
    }
    this.#move('sending')
    // The claim itself writes what the worker expects; that event tells of no result.
    if (dialect.prepare !== undefined) this.#inbox.drop('hint')
    this.publishedAt = performance.now()
    const isUnwanted = (): boolean => this.#isUnwanted
    const onLate = (): void => this.#inbox.put({ kind: 'late', run })
    const options = { isUnwanted, onLate }
    void publishUntilKnown(this.#parts, this.claimant, claim, options).then((sent) => {
      this.#onLateAnswer(sent, claim)
      this.#inbox.put({ kind: 'sent', run, sent })
    })
  }

  /** An answer of the broker that came too late for the requests still tells other replicas whether the job runs. */
  #onLateAnswer(sent: Sent, { run, verdict }: Held): void {
    const { ending } = this.waiters
    if (this.#state !== 'ended' || ending === undefined || !('error' in ending)) return
    if (sent.kind === 'confirmed') this.#markRun(run)
    if (sent.kind === 'refused' && verdict === 'new')
      void releaseJob(this.#parts, this.claimant, run)
  }

  async #onSent(sent: Sent, claim: Held): Promise<void> {
    switch (sent.kind) {
      case 'confirmed':
        this.#move('accepted')
        this.waiters.accept()
        return this.#isOver || isTold(this.#wanted) ? this.#markOrEnd(claim) : undefined
      case 'refused': {
        // A message that is too large was too large for a replica that died, too.
        const isFirst = claim.verdict === 'new' || sent.error.code === 'message_too_large'
        const isReleased = isFirst && (await releaseJob(this.#parts, this.claimant, claim.run))
        return this.#endWith(isReleased ? sent.error : acceptanceUnknown(sent.error))
      }
      case 'unknown':
        return this.#endWith(acceptanceUnknown())
      case 'unwanted':
        return this.#move('ended')
    }
  }

  /** The broker has fallen silent. The outcome alone could still prove that it has the message. */
  async #onLate(claim: Held): Promise<void> {
    await this.#read(claim, 'deadline')
    if (this.#state === 'sending' && this.claim === claim) throw acceptanceUnknown()
  }

  /** All requests have left. If none was promised anything, and no other process waits, the job is cancelled. */
  async #onLeft(claim: Held): Promise<void> {
    const isAsked = this.#wanted === 'asked'
    const runsOn = !isAsked || (await leaveRun(this.#parts, this.claimant, claim))
    return runsOn ? this.#markOrEnd(claim) : this.#move('ended')
  }

  #dueAt(claim: Held): number {
    const [wanted, { publishedAt }, { timeoutMs }] = [this.#wanted, this, this.#parts]
    return dueAt(this.#state, claim, { wanted, publishedAt, timeoutMs })
  }

  /** Reads once, and ends the job if it has an end. Where another run has the id, claims it again. */
  async #read(claim: Held, source: ReadSource, hinted?: number): Promise<void> {
    const isAskedWhen = this.#wanted !== 'asked'
    const found = await readOutcome(this.#parts, this.claimant, claim, { source, isAskedWhen })
    if (this.#isOver) return
    if (found.kind === 'moved') return this.#claimAgain()
    if (found.kind === 'open') this.status = found.status
    if (found.kind === 'unreadable') this.#endWith(found.error)
    if (found.kind !== 'ended') return
    const { wakeups, notifySeconds } = this.#parts.metrics
    const { readAt, isReplay } = found.ending
    const hintedAt = source === 'notification' ? hinted : undefined
    this.#end({ ...found.ending, hintedAt })
    this.#move('ended')
    if (!isReplay) wakeups.inc({ source })
    if (hintedAt !== undefined) notifySeconds.observe((readAt - hintedAt) / 1000)
  }

  #mark(claim: Held): void {
    this.claim = { ...claim, isPublished: true }
    this.#markRun(claim.run)
  }

  #markRun(run: string): void {
    const { records, log } = this.#parts
    const marking = records.markPublished(this.claimant.keys, run)
    marking.catch((error: unknown) => log.warn(errorFields(error), 'claim.mark_failed'))
  }

  /** Marks a job that runs on, and ends where no request waits. But a message in flight must be marked or released first. */
  #markOrEnd(claim: Held): void {
    if (this.#state === 'accepted' && !claim.isPublished) this.#mark(claim)
    if (this.#isOver && this.#state !== 'sending') this.#move('ended')
  }

  /** No request waits any more, or there is nothing left to wait for. */
  get #isOver(): boolean {
    return this.waiters.isEmpty || this.waiters.ending !== undefined
  }

  /** The message must not be published (again): all clients left without a promise, or have their answer. */
  get #isUnwanted(): boolean {
    if (this.waiters.ending !== undefined) return true
    return this.waiters.isEmpty && !isKept(this.#wanted)
  }

  #endWith(error: unknown): void {
    this.#end({ error: toGatewayError(error) })
    if (this.#state !== 'ended') this.#move('ended')
  }

  /** From here on the id is free in this process: the next request asks the record. */
  #end(ending: Ending): void {
    if (!this.waiters.end(ending)) return
    this.#count('error' in ending ? ending.error.code : ending.outcome.kind)
    this.#options.onEnd(this)
  }

  #move(to: JobState): void {
    this.#state = moved(this.#state, to)
  }

  #count(outcome: string): void {
    const { metrics, dialect } = this.#parts
    metrics.jobs.inc({ dialect: dialect.name, mode: this.#options.mode, outcome })
  }
}

import { acceptanceUnknown, jobConflict, runAgain, toGatewayError } from '../errors.ts'
import { isResponse } from '../job.ts'
import { Inbox, doneWithin } from './inbox.ts'
import { claimArmed, claimJob, leaveRun, lifeOver, readOutcome } from './claimed-run.ts'
import { Demand } from './demand.ts'
import { JobContent } from './job-content.ts'
import { dueAt, interruptedIn, moved, timedOutIn } from './job-state.ts'
import { markRun, renewAsker, renewedSoon } from './marks.ts'
import { mayPublish, publishUntilKnown, releaseRefused, settleLate } from './publish.ts'
import { Waiters } from './waiters.ts'
import type { GatewayError } from '../errors.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { Claimant, Held, ReadSource } from './claimed-run.ts'
import type { JobState } from './job-state.ts'
import type { Note } from './note.ts'
import type { PendingJobOptions } from './pending-jobs.ts'
import type { Sent } from './publish.ts'
import type { Ending } from './waiters.ts'

/**
 * One job id while requests wait for it in this process: claim, publish, read until it ends.
 * The steps belong to the job and not to the first request, whose client may leave.
 */
export class PendingJob {
  readonly claimant: Claimant
  readonly waiters = new Waiters()
  readonly demand = new Demand(this.waiters)
  /** Settles when it is known whether this payload holds the id. */
  readonly claimed: Promise<void>
  /** Resolves when there is nothing left to do for it here. */
  readonly done: Promise<void>
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
  readonly #content: JobContent
  /** Settles when the broker has answered the last message. */
  #sending: Promise<void> | undefined

  constructor(claimant: Claimant, options: PendingJobOptions, parts: GatewayParts) {
    this.claimant = claimant
    this.#parts = parts
    this.#options = options
    this.#content = new JobContent(options.content)
    const watch = parts.push.watch(claimant.keys.results, (source) =>
      this.#inbox.replace({ kind: 'hint', source, at: performance.now() }),
    )
    this.claimed = this.#claimFirst(watch.armed)
    this.done = this.claimed.then(() => this.#follow()).finally(() => watch.end())
    void this.done.then(() => this.#sending).finally(() => this.#content.end(false))
  }

  /** A request for the same job. It may be of the client that has left. */
  join(): void {
    this.waiters.join()
    this.demand.join()
  }

  /** The answer that a client is about to get says that the job keeps running. */
  promise(): void {
    this.demand.promise()
    this.#inbox.put({ kind: 'promised' })
  }

  /** The time of a request is over; returns what it gets. The job keeps running where it was accepted. */
  timeOut(timeoutMs: number): GatewayError {
    this.demand.timeOut()
    const { queue } = this.claimant.job
    const hasNoWorker = this.#parts.broker.workersOf(queue) === 0
    return timedOutIn(this.#state, timeoutMs / 1000, { queue, hasNoWorker })
  }

  /** One more read; resolves when it is done, or after `ms`. */
  lookWithin(ms: number): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve()
    return doneWithin(ms, (done) => this.#inbox.put({ kind: 'look', done }))
  }

  /** The gateway stops: its requests get their answer now, and the job keeps running where it was accepted. */
  interrupt(): void {
    this.#end({ error: interruptedIn(this.#state) })
    this.promise()
  }

  /** A request has left or has its answer. Returns whether the id is free in this process. */
  leave(): boolean {
    if (!this.waiters.leave()) return false
    if (this.waiters.ending !== undefined) return true
    const mayReturn = this.demand.beginGrace(this.#options.graceMs())
    if (!mayReturn) this.#count(this.demand.leftAs)
    this.#inbox.put({ kind: 'left' })
    return !mayReturn
  }

  /** No client comes back any more: a job that all have left is cancelled now. */
  endGrace(): void {
    if (!this.demand.isLeft) return
    this.#count(this.demand.leftAs)
    this.demand.endGrace()
    this.#options.onEnd(this)
    this.#inbox.put({ kind: 'left' })
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
    // A message of ours, of a run before, may still be under way.
    if (isPublished) void Promise.resolve(this.#sending).then(() => this.#content.end(true))
    if (this.demand.isKept) this.#markOrEnd(claim)
  }

  async #claimAgain(): Promise<void> {
    // To claim an id may mean to publish its job.
    if (!this.#content.isThere) throw runAgain()
    await this.#begin(await claimJob(this.#parts, this.claimant))
  }

  async #take(note: Note, claim: Held): Promise<void> {
    switch (note.kind) {
      case 'hint':
        if (this.demand.isOver) return undefined
        this.claim = renewedSoon(claim, note.source)
        return this.#read(this.claim, note.source, note.at)
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
    const now = performance.now()
    if (now >= this.demand.graceEndsAt) return this.endGrace()
    if (now >= claim.at + claim.remainingMs) {
      await this.#read(claim, 'deadline')
      if (this.waiters.ending !== undefined || this.claim !== claim) return
      throw await lifeOver(this.#parts, this.claimant, claim.run)
    } else if (this.#state === 'following') await this.#claimAgain()
    else if (this.#state === 'sending') throw acceptanceUnknown()
    else if (claim.isPublished) {
      this.claim = { ...claim, renewedAt: now }
      renewAsker(this.#parts, this.claimant, claim.run)
    } else this.#mark(claim)
  }

  /** Hands the job to the broker. The wait does not stand behind the confirm: an outcome proves that the broker had it. */
  async #send(claim: Held): Promise<void> {
    if (!(await mayPublish(this.#parts, this.claimant, claim, this.demand))) {
      return claim.verdict === 'new' ? this.#move('ended') : undefined
    }
    const { run, verdict } = claim
    this.#move('sending')
    // A new claim writes what the worker expects; that event tells of no result.
    if (verdict === 'new' && this.#parts.dialect.prepare !== undefined) this.#inbox.drop('hint')
    this.publishedAt = performance.now()
    const onLate = (): void => this.#inbox.put({ kind: 'late', run })
    const options = { demand: this.demand, onLate }
    this.#sending = publishUntilKnown(this.#parts, this.claimant, claim, options).then((sent) => {
      if (this.#state === 'ended') settleLate(this.#parts, this.claimant, claim, this.waiters, sent)
      this.#inbox.put({ kind: 'sent', run, sent })
    })
  }

  async #onSent(sent: Sent, claim: Held): Promise<void> {
    switch (sent.kind) {
      case 'confirmed':
        this.#move('accepted')
        this.waiters.accept()
        this.#content.end(true)
        return this.demand.isOver || this.demand.isTold ? this.#markOrEnd(claim) : undefined
      case 'refused':
        return this.#endWith(await releaseRefused(this.#parts, this.claimant, claim, sent.error))
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
    if (!this.demand.isOver) return
    const runsOn = this.demand.isKept || (await leaveRun(this.#parts, this.claimant, claim))
    return runsOn ? this.#markOrEnd(claim) : this.#move('ended')
  }

  #dueAt(claim: Held): number {
    const { publishedAt } = this
    const { timeoutMs } = this.#parts
    const { isPromised, graceEndsAt } = this.demand
    return dueAt(this.#state, claim, { isPromised, graceEndsAt, publishedAt, timeoutMs })
  }

  /** Reads once, and ends the job if it has an end. Where another run has the id, claims it again. */
  async #read(claim: Held, source: ReadSource, hinted?: number): Promise<void> {
    const isAskedWhen = this.demand.isKept || isResponse(this.claimant.job)
    const found = await readOutcome(this.#parts, this.claimant, claim, { source, isAskedWhen })
    if (this.demand.isOver) return
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
    const { isKept } = this.demand
    this.claim = { ...claim, isPublished: true, isKept }
    markRun(this.#parts, this.claimant, claim.run, isKept)
  }

  /** Marks a job that runs on, and ends where no request waits. But a message in flight must be marked or released first. */
  #markOrEnd(claim: Held): void {
    const isMarked = claim.isPublished && (claim.isKept || !this.demand.isKept)
    if (this.#state === 'accepted' && !isMarked) this.#mark(claim)
    if (this.demand.isOver && this.#state !== 'sending') this.#move('ended')
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

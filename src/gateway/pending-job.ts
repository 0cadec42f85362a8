import { Acceptance, acceptanceUnknown } from './acceptance.ts'
import { GatewayError, toGatewayError } from '../errors.ts'
import { CLAIM_GRACE_MS, HeldClaim, conflict } from './held-claim.ts'
import { publishJob } from './publish-job.ts'
import { ResultReader } from './result-reader.ts'
import { Waiters } from './waiters.ts'
import type { Decoded } from '../dialect.ts'
import type { HeldClaimParts } from './held-claim.ts'
import type { Job } from '../job.ts'
import type { Broker } from '../rabbitmq/broker.ts'
import type { Entered } from '../redis/claims.ts'
import type { HintSource, Push } from '../redis/push.ts'
import type { Found } from './result-reader.ts'
import type { Moments } from './stages.ts'
import type { Ending } from './waiters.ts'

/** When a result was faster than the SUBSCRIBE, it is found after this time. */
const MISSED_WITHIN_MS = 5
/** Who is to be told that it is accepted by another replica asks after this time whether it is, while that is young. */
const ASK_AGAIN_MS = 100
/** Longer pending, it is marked published, so that no other replica takes it over. */
const MARK_AFTER_MS = 1_000
export interface PendingJobParts extends HeldClaimParts {
  readonly broker: Pick<Broker, 'publish' | 'link' | 'isBlocked' | 'workersOf' | 'hasWorkers'>
  readonly push: Pick<Push, 'watch'>
  readonly requireWorkers: boolean
  /** How long a request is held. */
  readonly timeoutMs: number
}

/**
 * One job id while somebody waits for it here: the steps from the claim to the
 * outcome. They belong to it and not to the request that came first, whose
 * client may leave.
 */
export class PendingJob {
  readonly job: Job
  readonly fingerprint: string
  readonly waiters = new Waiters()
  readonly moments: Moments = {}
  readonly acceptance = new Acceptance()
  readonly #wireId: string
  readonly #claim: HeldClaim
  readonly #parts: PendingJobParts
  readonly #onEnd: () => void
  readonly #reader: ResultReader
  #entered: Promise<void> = Promise.resolve()
  /** We have published it, and the claim does not say so yet. */
  #isUnmarked = false
  /** The claim says already that the outcome was read. */
  #isFinished = false
  /** A request was told that the job goes on: it is nobody's to cancel any more. */
  #isKept = false
  #isTimedOut = false
  /** The outcome stood there before the first who asks for it here. */
  #isReplay = false
  /** Something was written before we knew our run. */
  #isHintedEarly = false
  #isLooking = false
  #expiry: NodeJS.Timeout | undefined

  constructor(
    ids: { readonly job: Job; readonly wireId: string; readonly fingerprint: string },
    parts: PendingJobParts,
    onEnd: () => void,
  ) {
    this.job = ids.job
    this.fingerprint = ids.fingerprint
    this.#wireId = ids.wireId
    this.#claim = new HeldClaim(ids, parts)
    this.#parts = parts
    this.#onEnd = onEnd
    this.#reader = new ResultReader({
      read: () => this.#claim.read(),
      dialect: parts.dialect,
      metrics: parts.metrics,
      run: () => this.#claim.run,
      isOver: () => this.waiters.isOver,
      onDecoded: (...found) => this.#accept(...found),
      onMoved: () => void this.#lookAgain(),
      onUnreadable: (error) => {
        // A result that nobody can read ends the job.
        this.#claim.finish('failed')
        this.fail(error)
      },
      onVanished: () => {
        parts.metrics.resultsLost.inc()
        parts.log.warn({ job: this.job.id }, 'job.result_vanished')
      },
    })
  }

  /** Whether the id is known to be held by this payload. */
  get isEntered(): boolean {
    return this.#claim.run !== undefined
  }

  /** Settles when it is known whether this payload holds the id. */
  get entered(): Promise<void> {
    return this.#entered
  }

  start(): void {
    this.#entered = this.#enter()
  }

  /** Its outcome stood there before the first who asks for it here. */
  get isReplay(): boolean {
    return this.#isReplay
  }

  /** As it stood when it was last read, while it had no end. */
  get status(): 'queued' | 'running' {
    return this.#reader.status
  }

  /** When it was first asked for, in milliseconds by the clock of Redis. */
  get createdAt(): number | null {
    return this.#claim.createdAt
  }

  /** Whoever asks may leave: it goes on, and is found by its id. */
  keep(): void {
    this.#isKept = true
    if (this.#isUnmarked) this.#markPublished()
  }

  /** The last look before a request is told that its time is over. */
  lastRead(): Promise<void> {
    return this.#reader.read('deadline')
  }

  fail(error: unknown): void {
    this.#end({ error: toGatewayError(error) })
  }

  /** Ends it here while it goes on elsewhere, if it does. */
  interrupt(): void {
    this.keep()
    this.fail(this.acceptance.interrupted())
  }

  /** What a request is told whose time is over. */
  timedOut(timeoutMs: number): GatewayError {
    this.#isKept = true
    this.#isTimedOut = true
    const { queue } = this.job
    const hasNobody = this.#parts.broker.workersOf(queue) === 0
    const nobody = hasNobody ? `; no worker takes jobs from queue ${queue}` : ''
    return this.acceptance.timedOut(timeoutMs, nobody)
  }

  /** Nobody waits here any more: cancelled if all have left, else it goes on and can be joined or fetched. */
  abandon(): void {
    if (this.waiters.ending !== undefined) return
    const { metrics, dialect } = this.#parts
    const outcome = this.#isTimedOut ? 'timed_out' : this.#isKept ? 'accepted' : 'client_gone'
    metrics.jobs.inc({ dialect: dialect.name, mode: 'wait', outcome })
    if (!this.#isKept) void this.#leave()
    else if (this.#isUnmarked) this.#markPublished()
  }

  async #leave(): Promise<void> {
    await this.#entered
    const isWanted = await this.#claim.leave()
    if (isWanted && this.#isUnmarked) this.#markPublished()
  }

  /**
   * Arms and claims, together: one round trip on two connections; then does what
   * the claim says, in the background. Never rejects: a failure is an ending.
   */
  async #enter(): Promise<void> {
    const watch = this.#parts.push.watch(this.#claim.keys, (source) => this.#onHint(source))
    this.waiters.onClose(() => watch.end())
    // Where the worker expects to find something, its message may not come first.
    if (this.job.idKind === 'made' && !this.#isPrepared) return this.#enterMade(watch.armed)
    try {
      const [armed, claim] = await Promise.allSettled([watch.armed, this.#claim.enter()])
      if (claim.status === 'rejected') throw claim.reason
      const { verdict } = claim.value
      if (armed.status === 'rejected') {
        if (verdict === 'new') await this.#claim.release()
        const isUnderWay = verdict === 'takeover' || verdict === 'joined'
        throw isUnderWay ? acceptanceUnknown(armed.reason) : armed.reason
      }
      const isHeld = verdict === 'conflict'
      const entered = isHeld ? await this.#claim.enterAfterItsEnd(claim.value) : claim.value
      this.#claim.run = entered.run
      this.moments.armed = performance.now()
      this.#follow(entered).catch((error: unknown) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  /**
   * Nobody else can have an id that was made here: the claim says nothing that is
   * not known, and the publish need not wait for it. A result written before the
   * SUBSCRIBE was live is found by one read after it.
   */
  async #enterMade(armed: Promise<void>): Promise<void> {
    const entering = this.#claim.enter()
    const lifeMs = this.job.ttlMs ?? this.#parts.jobTtlMs
    this.#expireAfter(lifeMs)
    this.#publish(this.#claim.run as string, lifeMs, 'none').catch((error: unknown) =>
      this.fail(error),
    )
    const [arm, claim] = await Promise.allSettled([armed, entering])
    if (arm.status === 'rejected') return this.fail(acceptanceUnknown(arm.reason))
    if (claim.status === 'rejected') return this.fail(acceptanceUnknown(claim.reason))
    this.moments.armed = performance.now()
    // At once it would stand in the way of the result that most often is just coming.
    this.waiters.later(MISSED_WITHIN_MS, () => {
      if (this.moments.hinted === undefined) void this.#reader.read('armed_read')
    })
  }

  /** Does what the claim says. */
  async #follow(entered: Entered): Promise<void> {
    const { verdict, run, remainingMs, isAnswered, isPublished, ageMs } = entered
    this.#claim.run = run
    this.#isReplay = isAnswered
    this.#isFinished = verdict === 'replay'
    if (verdict === 'conflict') throw conflict()
    if (verdict === 'new') {
      this.#expireAfter(remainingMs)
      // Of what the claim itself has written for the worker, nobody needs to be told.
      if (this.#isHintedEarly && !this.#isPrepared) void this.#reader.read('armed_read')
      return this.#publish(run, remainingMs, 'none')
    }
    // Under way before our SUBSCRIBE: only a read after its acknowledgement misses nothing.
    if (isPublished) this.acceptance.accepted()
    else this.acceptance.unknown()
    await this.#reader.read('armed_read')
    if (this.waiters.isOver) return
    // The result that stood there was taken away, or was another run's.
    if (verdict === 'replay') return this.#lookAgain()
    this.#isReplay = false
    this.#expireAfter(remainingMs)
    // Whoever died may have published it and not lived to say so.
    if (verdict === 'takeover') {
      this.#claim.mayRunTwice = true
      return this.#publish(run, remainingMs, 'unknown')
    }
    // Its replica may have died or been refused: look again when its grace is over.
    if (isPublished) return
    const isAsked = this.#isKept && ageMs < 2 * MARK_AFTER_MS
    const inMs = isAsked ? ASK_AGAIN_MS : CLAIM_GRACE_MS - ageMs + 50
    this.waiters.later(inMs, () => void this.#lookAgain())
  }

  /** One at a time: a second one would hold the claim by another token than the first. */
  async #lookAgain(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const entered = await this.#claim.enter()
      this.#isLooking = false
      await this.#follow(entered)
    } catch (error) {
      this.#isLooking = false
      this.fail(error)
    }
  }

  /** Only where the job's life ends before the request's time; a new run has a new life. */
  #expireAfter(ms: number): void {
    this.waiters.cancel(this.#expiry)
    if (ms < this.#parts.timeoutMs) this.#expiry = this.waiters.later(ms, () => void this.#expire())
  }

  /** Whether the claim writes what its worker is to find. */
  get #isPrepared(): boolean {
    return this.#parts.dialect.prepare !== undefined
  }

  /** Nobody waits, and nobody was told that it goes on; or somebody that it does not. */
  get #isUnwanted(): boolean {
    const isToldOf = this.waiters.ending !== undefined || this.#isTimedOut
    return this.waiters.isOver && (isToldOf || !this.#isKept)
  }

  /** The wait does not stand behind the confirm: an outcome itself proves that the broker had the message. */
  async #publish(run: string, lifeMs: number, before: 'none' | 'unknown'): Promise<void> {
    const isAccepted = await publishJob(this.#parts, {
      job: this.job,
      wireId: this.#wireId,
      claim: this.#claim,
      acceptance: this.acceptance,
      run,
      lifeMs,
      before,
      isUnwanted: () => this.#isUnwanted,
      onSend: () => (this.moments.published = performance.now()),
      onLateConfirm: () => this.#markPublished(),
    })
    if (!isAccepted) return
    const { ending } = this.waiters
    if (ending !== undefined && 'outcome' in ending) return
    this.#isUnmarked = true
    if (this.waiters.isOver || this.#isKept) this.#markPublished()
    else this.waiters.later(MARK_AFTER_MS, () => this.#markPublished())
  }

  #onHint(source: HintSource): void {
    if (this.waiters.isOver) return
    // Before the claim was entered, nothing of ours can stand there; but another run's, in the way of ours.
    const isEntered = this.moments.armed !== undefined || !this.#isPrepared
    if (this.#claim.run === undefined || !isEntered) {
      this.#isHintedEarly = true
      return
    }
    if (source === 'notification') this.moments.hinted = performance.now()
    void this.#reader.read(source)
  }

  #accept({ outcome, run }: Decoded, { source, value, isFinished }: Found): void {
    if (run !== undefined && run !== this.#claim.run) {
      return this.#claim.dropForeign(run, value, !this.#isFinished)
    }
    // Found by a replay, and no success after all: it runs anew.
    if (this.#isFinished && outcome.kind !== 'succeeded') {
      this.#isFinished = false
      return this.#claim.finish(outcome.kind)
    }
    const isFirst = this.#end({ outcome, isReplay: this.#isReplay })
    if (!isFirst) return
    const { wakeups, notifySeconds } = this.#parts.metrics
    if (!this.#isReplay) wakeups.inc({ source })
    const { hinted, ended } = this.moments
    if (source === 'notification') notifySeconds.observe(((ended ?? 0) - (hinted ?? 0)) / 1000)
    if (!this.#isFinished) this.#claim.finish(outcome.kind, { isTaken: isFinished })
  }

  /** The job's life is over: the broker has dropped the message, or soon will. */
  async #expire(): Promise<void> {
    await this.lastRead()
    this.fail(new GatewayError('job_expired', 'the job expired before it had an outcome'))
  }

  /** From here on the id is free in this process: whoever comes next asks the claim. */
  #end(ending: Ending): boolean {
    const isFirst = this.waiters.end(ending)
    if (isFirst) {
      this.moments.ended = performance.now()
      this.#count(ending)
      this.#onEnd()
      this.acceptance.settle()
    }
    return isFirst
  }

  #count(ending: Ending): void {
    const { metrics, dialect } = this.#parts
    const outcome = 'error' in ending ? ending.error.code : ending.outcome.kind
    metrics.jobs.inc({ dialect: dialect.name, mode: 'wait', outcome })
  }

  #markPublished(): void {
    this.#isUnmarked = false
    this.#claim.markPublished()
  }
}

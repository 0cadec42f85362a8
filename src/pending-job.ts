import { randomUUID } from 'node:crypto'
import { WireFormatError } from './dialect.ts'
import { GatewayError } from './errors.ts'
import { errorFields } from './telemetry/log.ts'
import { ConfirmLost, publishUntilKnown } from './publish.ts'
import { Waiters } from './waiters.ts'
import type { Dialect } from './dialect.ts'
import type { Job, Outcome } from './job.ts'
import type { Broker } from './rabbitmq/broker.ts'
import type { Claims, Entered } from './redis/claims.ts'
import type { HintSource, Push } from './redis/push.ts'
import type { Results } from './redis/results.ts'
import type { Log } from './telemetry/log.ts'
import type { Ending } from './waiters.ts'

/** Longer pending, it is marked published, so that no other replica takes it over. */
const MARK_AFTER_MS = 1_000
/** How long a claim may stay unpublished before another replica takes it over. */
const CLAIM_GRACE_MS = 5_000
export interface PendingJobParts {
  readonly dialect: Dialect
  readonly broker: Pick<Broker, 'publish' | 'link' | 'isBlocked' | 'workersOf'>
  readonly push: Pick<Push, 'watch'>
  readonly claims: Pick<Claims, keyof Claims>
  readonly results: Pick<Results, 'read'>
  /** How long a request is held. */
  readonly timeoutMs: number
  /** How long a job may wait and run. */
  readonly jobTtlMs: number
  /** How long an outcome can be fetched. */
  readonly resultTtlMs: number
  readonly log: Log
}

/** Moments on the monotonic clock, in milliseconds, as far as they have come. */
export interface Moments {
  armed?: number
  published?: number
  /** The hint that led to the outcome. */
  hinted?: number
  ended?: number
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
  readonly #wireId: string
  readonly #keys: readonly [string, ...string[]]
  readonly #parts: PendingJobParts
  readonly #onEnd: () => void
  /** The run whose result is ours; known once the claim was entered. */
  #run: string | undefined
  /** Ours alone: what we hold the claim by while we are to publish it. */
  #token = randomUUID()
  #entered: Promise<void> = Promise.resolve()
  /** Whether the broker has the message: no, perhaps, yes. */
  #acceptance: 'none' | 'unknown' | 'accepted' = 'none'
  /** We have published it, and the claim does not say so yet. */
  #isUnmarked = false
  /** The claim says already that the outcome was read. */
  #isFinished = false
  /** The outcome stood there before the first who asks for it here. */
  #isReplay = false
  #expiry: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined
  /** A hint came while a read was under way: it may have been too early, so it is done again. */
  #isDirty = false

  constructor(
    ids: { readonly job: Job; readonly wireId: string; readonly fingerprint: string },
    parts: PendingJobParts,
    onEnd: () => void,
  ) {
    this.job = ids.job
    this.fingerprint = ids.fingerprint
    this.#wireId = ids.wireId
    this.#keys = parts.dialect.resultKeys(ids.wireId)
    this.#parts = parts
    this.#onEnd = onEnd
  }

  /** Whether the id is known to be held by this payload. */
  get isEntered(): boolean {
    return this.#run !== undefined
  }

  /** Settles when it is known whether this payload holds the id. */
  get entered(): Promise<void> {
    return this.#entered
  }

  start(): void {
    this.#entered = this.#enter()
  }

  /** The last look before a request is told that its time is over. */
  read(): Promise<void> {
    this.#isDirty = true
    this.#reading ??= this.#readUntilClean()
    return this.#reading
  }

  fail(error: unknown): void {
    this.#end({ error: toGatewayError(error) })
  }

  /** Ends it here while it goes on elsewhere, if it does. */
  interrupt(): void {
    const { code, message } = INTERRUPTED[this.#acceptance]
    this.fail(new GatewayError(code, message))
  }

  /** What a request is told whose time is over. */
  timedOut(): GatewayError {
    const { broker, timeoutMs } = this.#parts
    const { queue } = this.job
    const after = `no outcome after ${timeoutMs / 1000} s`
    if (this.#acceptance === 'none')
      return new GatewayError('results_down', `${after}: not published`)
    if (this.#acceptance === 'unknown') return acceptanceUnknown(new Error(after))
    const nobody = broker.workersOf(queue) === 0 ? `; no worker takes jobs from queue ${queue}` : ''
    return new GatewayError('timed_out', `${after}${nobody}. The same request joins the job again`)
  }

  /** Nobody waits here any more. The job goes on and can be joined or fetched later. */
  abandon(): void {
    if (this.waiters.ending === undefined && this.#isUnmarked) this.#markPublished()
  }

  /**
   * Arms and claims, together: one round trip on two connections; then does what
   * the claim says, in the background. Never rejects: a failure is an ending.
   */
  async #enter(): Promise<void> {
    const watch = this.#parts.push.watch(this.#keys, (source) => this.#onHint(source))
    this.waiters.onClose(() => watch.end())
    try {
      const [armed, claim] = await Promise.allSettled([watch.armed, this.#claim()])
      if (claim.status === 'rejected') throw claim.reason
      const { verdict } = claim.value
      if (armed.status === 'rejected') {
        if (verdict === 'new') await this.#release()
        throw verdict === 'takeover' ? acceptanceUnknown(armed.reason) : armed.reason
      }
      const entered =
        verdict === 'conflict' ? await this.#claimAfterItsEnd(claim.value) : claim.value
      this.#run = entered.run
      this.moments.armed = performance.now()
      this.#follow(entered).catch((error: unknown) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  async #claim(): Promise<Entered> {
    const { claims, jobTtlMs, resultTtlMs } = this.#parts
    this.#token = randomUUID()
    try {
      return await claims.enter({
        keys: this.#keys,
        fingerprint: this.fingerprint,
        owner: this.job.owner,
        token: this.#token,
        jobTtlMs,
        keepMs: resultTtlMs,
        graceMs: CLAIM_GRACE_MS,
      })
    } catch (error) {
      throw new GatewayError('results_down', 'the job could not be claimed', { cause: error })
    }
  }

  /** Another payload holds the id; but if its result stands, it has ended, only nobody has said so yet. */
  async #claimAfterItsEnd(held: Entered): Promise<Entered> {
    if (!held.isAnswered) throw conflict()
    const { claims, resultTtlMs } = this.#parts
    const kind = await this.#kindOfEnd(held.run)
    if (kind === 'running') throw conflict()
    await claims.finish(this.#keys, held.run, kind, resultTtlMs)
    const again = await this.#claim()
    if (again.verdict === 'conflict') throw conflict()
    return again
  }

  async #kindOfEnd(ofRun: string): Promise<Outcome['kind'] | 'running'> {
    try {
      const { values, run } = await this.#parts.results.read(this.#keys)
      const decoded = this.#parts.dialect.decodeResult(values)
      // Another run's, or not there any more: it says nothing about this one.
      const isItsOwn = run === ofRun && (decoded?.run === undefined || decoded.run === ofRun)
      return (isItsOwn ? decoded?.outcome.kind : undefined) ?? 'running'
    } catch (error) {
      // Nobody can read it: an end as well, of the kind that a retry runs anew.
      if (toGatewayError(error).code === 'bad_result') return 'failed'
      throw error
    }
  }

  /** Does what the claim says. */
  async #follow(entered: Entered): Promise<void> {
    const { verdict, run, remainingMs, isAnswered, isPublished, ageMs } = entered
    this.#run = run
    this.#isReplay = isAnswered
    this.#isFinished = verdict === 'replay'
    if (verdict === 'conflict') throw conflict()
    if (verdict === 'new') {
      this.#expireAfter(remainingMs)
      return this.#publish(run, remainingMs, 'none')
    }
    // Under way before our SUBSCRIBE: only a read after its acknowledgement misses nothing.
    this.#acceptance = isPublished ? 'accepted' : 'unknown'
    await this.read()
    if (this.waiters.isOver) return
    // The result that stood there was taken away, or was another run's.
    if (verdict === 'replay') return this.#lookAgain()
    this.#isReplay = false
    this.#expireAfter(remainingMs)
    // Whoever died may have published it and not lived to say so.
    if (verdict === 'takeover') return this.#publish(run, remainingMs, 'unknown')
    // Its replica may have died or been refused: look again when its grace is over.
    if (!isPublished) this.waiters.later(CLAIM_GRACE_MS - ageMs + 50, () => void this.#lookAgain())
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.#follow(await this.#claim())
    } catch (error) {
      this.fail(error)
    }
  }

  /** Only where the job's life ends before the request's time; a new run has a new life. */
  #expireAfter(ms: number): void {
    this.waiters.cancel(this.#expiry)
    if (ms < this.#parts.timeoutMs) this.#expiry = this.waiters.later(ms, () => void this.#expire())
  }

  /**
   * The wait does not stand behind the confirm: an outcome itself proves that the
   * broker had the message. `before` is what is known of an earlier publish.
   */
  async #publish(run: string, lifeMs: number, before: 'none' | 'unknown'): Promise<void> {
    if (this.waiters.isOver) {
      if (before === 'none') await this.#release()
      return
    }
    this.moments.published = performance.now()
    // Until the broker has answered, anything may have happened to it.
    this.#acceptance = 'unknown'
    try {
      const { dialect, broker, log } = this.#parts
      const delivery = dialect.encodeJob(this.job, this.#wireId)
      const publication = { queue: this.job.queue, delivery, messageId: this.#wireId, run }
      const isOver = (): boolean => this.waiters.isOver
      if (!(await publishUntilKnown({ broker, publication, lifeMs, isOver, log }))) return
    } catch (error) {
      // Refused, and never sent before: as if nobody had asked, unless another has taken it over meanwhile.
      const isRefused = before === 'none' && !(error instanceof ConfirmLost)
      if (!isRefused || !(await this.#release())) throw acceptanceUnknown(error)
      this.#acceptance = 'none'
      throw error
    }
    this.#acceptance = 'accepted'
    if (this.waiters.ending !== undefined) return
    this.#isUnmarked = true
    if (this.waiters.isOver) this.#markPublished()
    else this.waiters.later(MARK_AFTER_MS, () => this.#markPublished())
  }

  #onHint(source: HintSource): void {
    // Before the claim was entered, nothing of ours can stand there.
    if (this.waiters.isOver || this.#run === undefined) return
    if (source === 'notification') this.moments.hinted = performance.now()
    void this.read()
  }

  async #readUntilClean(): Promise<void> {
    while (this.#isDirty && !this.waiters.isOver) {
      this.#isDirty = false
      try {
        const { values, run } = await this.#parts.results.read(this.#keys)
        if (run === null || run === this.#run) this.#accept(values)
        // Ours has ended and been read elsewhere; what stands there now answers somebody else.
        else void this.#lookAgain()
      } catch (error) {
        // Redis away: it is read again when it is back. A result that nobody can read ends the job.
        if (!(error instanceof GatewayError) || error.code !== 'results_down') {
          this.#finish('failed')
          this.fail(error)
        }
      }
    }
    // In the same turn as the last look at `#isDirty`, or a hint in between would be lost.
    this.#reading = undefined
  }

  /** Ends the job if these values say that it has ended. */
  #accept(values: readonly (string | null)[]): void {
    if (this.waiters.isOver) return
    const decoded = this.#parts.dialect.decodeResult(values)
    if (decoded === undefined) return
    if (decoded.run !== undefined && decoded.run !== this.#run) {
      return this.#dropForeign(decoded.run, values[0] as string)
    }
    const isFirst = this.#end({ outcome: decoded.outcome, isReplay: this.#isReplay })
    if (isFirst && !this.#isFinished) this.#finish(decoded.outcome.kind)
  }

  /** The job's life is over: the broker has dropped the message, or soon will. */
  async #expire(): Promise<void> {
    await this.read()
    this.fail(new GatewayError('job_expired', 'the job expired before it had an outcome'))
  }

  /** From here on the id is free in this process: whoever comes next asks the claim. */
  #end(ending: Ending): boolean {
    const isFirst = this.waiters.end(ending)
    if (isFirst) {
      this.moments.ended = performance.now()
      this.#onEnd()
    }
    return isFirst
  }

  #finish(kind: Outcome['kind']): void {
    const { claims, resultTtlMs } = this.#parts
    const run = this.#run as string
    this.#inBackground('claim.finish', claims.finish(this.#keys, run, kind, resultTtlMs))
  }

  #markPublished(): void {
    const { claims } = this.#parts
    this.#isUnmarked = false
    this.#inBackground('claim.mark', claims.markPublished(this.#keys, this.#run as string))
  }

  #dropForeign(run: string, value: string): void {
    const { claims, log } = this.#parts
    log.warn({ job: this.job.id }, 'job.foreign_run')
    this.#inBackground('claim.drop', claims.dropForeign(this.#keys, run, value))
  }

  /** `false` when another holds the claim. If it cannot be asked, it goes stale and is taken over after the grace. */
  async #release(): Promise<boolean> {
    const { claims, log } = this.#parts
    try {
      return await claims.release(this.#keys, this.#token)
    } catch (error) {
      log.warn(errorFields(error), 'claim.release_failed')
      return true
    }
  }

  /** What the answer does not depend on. */
  #inBackground(step: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#parts.log.warn(errorFields(error), `${step}_failed`))
  }
}

/** What a stop says of a job, by what is known of its acceptance. */
const INTERRUPTED = {
  none: { code: 'draining', message: 'the gateway is stopping' },
  unknown: { code: 'acceptance_unknown', message: 'the gateway is stopping; the job may run' },
  accepted: { code: 'interrupted', message: 'the gateway is stopping; the job goes on' },
} as const

const acceptanceUnknown = (cause: unknown) =>
  new GatewayError('acceptance_unknown', 'the job may run: its acceptance was not confirmed', {
    cause,
  })

export const conflict = () =>
  new GatewayError('job_conflict', 'a job with this id and another payload is under way')

function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof WireFormatError) {
    return new GatewayError('bad_result', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong', { cause: error })
}

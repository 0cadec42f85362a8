import { randomUUID } from 'node:crypto'
import { WireFormatError } from './dialect.ts'
import { GatewayError } from './errors.ts'
import { errorFields } from './telemetry/log.ts'
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
/** A message whose confirm was lost is published again if the broker is back within this time. */
const REPUBLISH_WITHIN_MS = 10_000
const MAX_PUBLISHES = 3

export interface PendingJobParts {
  readonly dialect: Dialect
  readonly broker: Pick<Broker, 'publish' | 'link' | 'isBlocked'>
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
  #entered: Promise<void> = Promise.resolve()
  /** The broker has the message, as far as we know. */
  #isAccepted = false
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

  /** Ends it here while it goes on elsewhere. */
  interrupt(): void {
    if (this.#isAccepted) {
      this.fail(new GatewayError('interrupted', 'the gateway is stopping; the job goes on'))
    } else if (this.moments.published === undefined) {
      this.fail(new GatewayError('draining', 'the gateway is stopping'))
    } else {
      this.fail(new GatewayError('acceptance_unknown', 'the gateway is stopping; the job may run'))
    }
  }

  /** Nobody waits here any more. The job goes on and can be joined or fetched later. */
  abandon(): void {
    if (this.waiters.ending === undefined && this.#isAccepted) this.#markPublished()
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
      const { verdict, run } = claim.value
      if (armed.status === 'rejected') {
        if (verdict === 'new' || verdict === 'takeover') await this.#release(run)
        throw armed.reason
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
    try {
      return await claims.enter({
        keys: this.#keys,
        fingerprint: this.fingerprint,
        owner: this.job.owner,
        run: randomUUID(),
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
    const { dialect, claims, resultTtlMs } = this.#parts
    const decoded = dialect.decodeResult(held.values)
    if (decoded === undefined) throw conflict()
    await claims.finish(this.#keys, held.run, decoded.outcome.kind, resultTtlMs)
    const again = await this.#claim()
    if (again.verdict === 'conflict') throw conflict()
    return again
  }

  /** Does what the claim says. */
  async #follow(entered: Entered): Promise<void> {
    this.#run = entered.run
    if (entered.remainingMs < this.#parts.timeoutMs) {
      this.waiters.later(entered.remainingMs, () => void this.#expire())
    }
    switch (entered.verdict) {
      case 'new':
      case 'takeover':
        return this.#publish(entered.run, entered.remainingMs)
      case 'conflict':
        throw conflict()
      case 'replay':
        return this.#accept(entered.values, true)
      case 'joined':
        this.#isAccepted = true
        this.#accept(entered.values, false)
        // The job was under way before our SUBSCRIBE: only a read after its acknowledgement misses nothing.
        await this.read()
        // Unpublished, its replica may have died or been refused: look again when its grace is over.
        if (entered.isPublished) return
        this.waiters.later(CLAIM_GRACE_MS - entered.ageMs + 50, () => void this.#lookAgain())
    }
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.#follow(await this.#claim())
    } catch (error) {
      this.fail(error)
    }
  }

  /** The wait does not stand behind the confirm: an outcome itself proves that the broker had the message. */
  async #publish(run: string, lifeMs: number): Promise<void> {
    if (this.waiters.isOver) return this.#release(run)
    this.moments.published = performance.now()
    try {
      this.#isAccepted = await this.#publishUntilKnown(run, lifeMs)
    } catch (error) {
      // Not accepted: as if nobody had asked. Unknown: the claim stays, a retry joins it or takes it over.
      const isUnknown = error instanceof GatewayError && error.code === 'acceptance_unknown'
      if (!isUnknown) await this.#release(run)
      throw error
    }
    if (!this.#isAccepted || this.waiters.ending !== undefined) return
    if (this.waiters.isOver) this.#markPublished()
    else this.waiters.later(MARK_AFTER_MS, () => this.#markPublished())
  }

  /** Whether the broker has it; `false` when nobody wants to know any more. */
  async #publishUntilKnown(run: string, lifeMs: number): Promise<boolean> {
    const { dialect, broker, log } = this.#parts
    const { queue } = this.job
    const delivery = dialect.encodeJob(this.job, this.#wireId)
    const bornAt = performance.now()
    for (let attempt = 1; attempt <= MAX_PUBLISHES; attempt += 1) {
      const expirationMs = lifeMs - (performance.now() - bornAt)
      const confirmation = await broker
        .publish({ queue, delivery, messageId: this.#wireId, run, expirationMs })
        .catch((error: unknown) => {
          if (attempt === 1) throw error
          // The first message may be queued all the same: a refusal of the second proves nothing.
          return 'lost' as const
        })
      if (confirmation === 'confirmed') return true
      if (this.waiters.isOver) return false
      log.warn({ job: this.job.id, attempt }, 'job.confirm_lost')
      if (!(await broker.link.until(REPUBLISH_WITHIN_MS))) break
      if (this.waiters.isOver) return false
    }
    throw new GatewayError('acceptance_unknown', 'the broker was lost before it confirmed the job')
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
        this.#accept(await this.#parts.results.read(this.#keys), false)
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
  #accept(values: readonly (string | null)[], isReplay: boolean): void {
    if (this.waiters.isOver) return
    const decoded = this.#parts.dialect.decodeResult(values)
    if (decoded === undefined) return
    if (decoded.run !== undefined && decoded.run !== this.#run) {
      this.#dropForeign(decoded.run, values[0] as string)
    } else if (this.#end({ outcome: decoded.outcome, isReplay }) && !isReplay) {
      this.#finish(decoded.outcome.kind)
    }
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
    this.#inBackground('claim.mark', claims.markPublished(this.#keys, this.#run as string))
  }

  #dropForeign(run: string, value: string): void {
    const { claims, log } = this.#parts
    log.warn({ job: this.job.id }, 'job.foreign_run')
    this.#inBackground('claim.drop', claims.dropForeign(this.#keys, run, value))
  }

  /** If that fails the claim goes stale, and the next request takes it over after the grace. */
  async #release(run: string): Promise<void> {
    const { claims, log } = this.#parts
    await claims
      .release(this.#keys, run)
      .catch((error: unknown) => log.warn(errorFields(error), 'claim.release_failed'))
  }

  /** What the answer does not depend on. */
  #inBackground(step: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#parts.log.warn(errorFields(error), `${step}_failed`))
  }
}

export const conflict = () =>
  new GatewayError('job_conflict', 'a job with this id and another payload is under way')

function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof WireFormatError) {
    return new GatewayError('bad_result', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong', { cause: error })
}

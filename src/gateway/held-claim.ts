import { randomUUID } from 'node:crypto'
import { GatewayError, WireFormatError } from '../errors.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Dialect, RedisWrite, RunOf } from '../dialect.ts'
import type { Job, Outcome } from '../job.ts'
import type { Claims, Entered } from '../redis/claims.ts'
import type { ReadResult, Results } from '../redis/results.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** How long a claim may stay unpublished before another replica takes it over. */
export const CLAIM_GRACE_MS = 5_000

export interface HeldClaimParts {
  readonly dialect: Dialect
  readonly claims: Pick<Claims, keyof Claims>
  readonly results: Pick<Results, 'take'>
  /** Tells the workers that nobody wants the job any more, where their kind has a way of its own. */
  readonly announceCancel: (of: RunOf) => void
  /** What the sweep is to know an asker by. */
  readonly sweepEntry: (wireId: string, asker: string) => string
  /** How long a job may wait and run. */
  readonly jobTtlMs: number
  /** How long an outcome can be fetched. */
  readonly resultTtlMs: number
  readonly log: Log
  readonly metrics: Metrics
}

/** What one pending job knows of its claim and does to it. What an answer does not depend on runs in the background. */
export class HeldClaim {
  /** The run whose result is ours; known once the claim was entered. */
  run: string | undefined
  /** Two messages of one job: a worker may write after the outcome was read. */
  mayRunTwice = false
  readonly keys: readonly [string, ...string[]]
  readonly #job: Job
  readonly #wireId: string
  readonly #fingerprint: string
  readonly #parts: HeldClaimParts
  /** Ours as long as somebody waits here: what the claim and the sweep know us by. */
  readonly #asker = randomUUID()
  readonly #entry: string
  /** Ours alone: what we hold the claim by while we are to publish it. */
  #token = randomUUID()
  /** What the worker was to find, written with the last `enter`. */
  #prepared: readonly RedisWrite[] = []
  #isPublisher = false
  /** Settles with the last `enter`: what undoes it must not overtake it, where Redis has to be sent a script's text first. */
  #entering: Promise<void> = Promise.resolve()
  /** When the run was first claimed, in milliseconds by the clock of Redis. */
  createdAt: number | null = null

  constructor(
    ids: { readonly job: Job; readonly wireId: string; readonly fingerprint: string },
    parts: HeldClaimParts,
  ) {
    this.#job = ids.job
    this.#wireId = ids.wireId
    this.#fingerprint = ids.fingerprint
    this.#parts = parts
    this.keys = parts.dialect.resultKeys(ids.wireId)
    this.#entry = parts.sweepEntry(ids.wireId, this.#asker)
  }

  enter(): Promise<Entered> {
    const entering = this.#enter()
    this.#entering = entering.then(
      () => {},
      () => {},
    )
    return entering
  }

  async #enter(): Promise<Entered> {
    const { claims, dialect, jobTtlMs, resultTtlMs, metrics } = this.#parts
    const { owner, ttlMs, idKind } = this.#job
    this.#token = randomUUID()
    this.#prepared = dialect.prepare?.(this.#job, this.#wireId, new Date()) ?? []
    // Nobody else can have the id: which run it is need not be asked.
    if (idKind === 'made') this.run = this.#token
    try {
      const entered = await claims.enter({
        keys: this.keys,
        fingerprint: this.#fingerprint,
        owner,
        token: this.#token,
        asker: this.#asker,
        entry: this.#entry,
        jobTtlMs: ttlMs ?? jobTtlMs,
        indexTtlMs: jobTtlMs + 2 * resultTtlMs,
        idKind,
        keepMs: resultTtlMs,
        graceMs: CLAIM_GRACE_MS,
        prepared: this.#prepared,
      })
      metrics.claims.inc({ result: entered.verdict })
      this.createdAt = entered.createdAt
      if (entered.isLost) metrics.resultsLost.inc()
      if (entered.verdict === 'new' || entered.verdict === 'takeover') this.#isPublisher = true
      return entered
    } catch (error) {
      throw new GatewayError('results_down', 'the job could not be claimed', { cause: error })
    }
  }

  /** Another payload holds the id; but if its result stands, it has ended, only nobody has said so yet. */
  async enterAfterItsEnd(held: Entered): Promise<Entered> {
    const { claims, dialect, resultTtlMs } = this.#parts
    // What the marks do not tell, only the dialect can.
    if (!held.isAnswered && dialect.ends === 'any') throw conflict()
    const kind = await this.#kindOfEnd(held.run)
    if (kind === 'running') throw conflict()
    await claims.finish(this.keys, held.run, kind, resultTtlMs).catch((cause: unknown) => {
      throw new GatewayError('results_down', 'the job could not be claimed', { cause })
    })
    const again = await this.enter()
    if (again.verdict === 'conflict') throw conflict()
    return again
  }

  /** `false` when another holds the claim. If it cannot be asked, it goes stale and is taken over after the grace. */
  async release(): Promise<boolean> {
    const { claims, log } = this.#parts
    await this.#entering
    try {
      const [token, entry, prepared] = [this.#token, this.#entry, this.#prepared]
      return await claims.release({ keys: this.keys, prepared, token, entry })
    } catch (error) {
      log.warn(errorFields(error), 'claim.release_failed')
      return true
    }
  }

  markPublished(): void {
    const { claims } = this.#parts
    const mark = async (): Promise<void> => {
      await this.#entering
      await claims.markPublished(this.keys, this.run as string)
    }
    this.#inBackground('claim.mark', mark())
  }

  /** What stands at the keys; if it is an end, its life as an outcome begins with this. */
  read(): Promise<ReadResult> {
    const { results, resultTtlMs } = this.#parts
    return results.take(this.keys, {
      run: this.run ?? '',
      ttlMs: resultTtlMs,
      entry: this.#doneEntry,
    })
  }

  /** The outcome was read. `isTaken`: and the read has said so already. */
  finish(kind: Outcome['kind'], { isTaken = false } = {}): void {
    const { claims, resultTtlMs } = this.#parts
    // Only a retry after something else than success needs to know what it was.
    if (isTaken && kind === 'succeeded') return
    const run = this.run as string
    // A worker that does not look may still write over a cancelled one: the sweep is to find that.
    const entry = kind === 'cancelled' ? '' : this.#doneEntry
    const finished = claims.finish(this.keys, run, kind, resultTtlMs, entry)
    this.#inBackground('claim.finish', finished)
  }

  /** All clients have left. Returns whether others still ask for it. */
  async leave(): Promise<boolean> {
    const { claims, dialect, resultTtlMs: ttlMs, announceCancel, log, metrics } = this.#parts
    const { run } = this
    if (run === undefined) return false
    const of = { wireId: this.#wireId, run, now: new Date() }
    const values = dialect.encodeOutcome({ kind: 'cancelled' }, of)
    try {
      const result = await claims.leave(this.keys, { run, asker: this.#asker, values, ttlMs })
      if (result === 'cancelled') {
        announceCancel(of)
        metrics.claims.inc({ result })
        log.info({ job: this.#job.id }, 'job.cancelled')
      }
      return result === 'asked'
    } catch (error) {
      log.warn(errorFields(error), 'claim.leave_failed')
      return true
    }
  }

  dropForeign(run: string, value: string, isUnderWay: boolean): void {
    const { claims, log } = this.#parts
    log.warn({ job: this.#job.id }, 'job.foreign_run')
    this.#inBackground('claim.drop', claims.dropForeign(this.keys, run, value, isUnderWay))
  }

  async #kindOfEnd(ofRun: string): Promise<Outcome['kind'] | 'running'> {
    try {
      // A look, and no more: it is not ours to end.
      const look = { run: '', isLook: true, ttlMs: 0, entry: '' }
      const { values, run } = await this.#parts.results.take(this.keys, look)
      const standing = this.#parts.dialect.decodeResult(values)
      if (typeof standing === 'string') return 'running'
      // Another run's, or not there any more: it says nothing about this one.
      const isItsOwn = run === ofRun && (standing.run === undefined || standing.run === ofRun)
      return isItsOwn ? standing.outcome.kind : 'running'
    } catch (error) {
      // Nobody can read it: an end as well, of the kind that a retry runs anew.
      if (isUnreadable(error)) return 'failed'
      throw error
    }
  }

  /** Our entry in the index, if the sweep need not look any more: a second message's result would stand for ever. */
  get #doneEntry(): string {
    const isLast = !this.mayRunTwice && !this.#parts.dialect.mayAnswerTwice
    return this.#isPublisher && isLast ? this.#entry : ''
  }

  #inBackground(step: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#parts.log.warn(errorFields(error), `${step}_failed`))
  }
}

export const conflict = () =>
  new GatewayError(
    'job_conflict',
    'this id is running with another payload, or an Idempotency-Key made it for another',
  )

const isUnreadable = (error: unknown): boolean =>
  error instanceof WireFormatError || (error instanceof GatewayError && error.code === 'bad_result')

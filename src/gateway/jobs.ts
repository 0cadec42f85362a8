import { admitResults } from './admission.ts'
import { Bell } from './bell.ts'
import { GatewayError } from '../errors.ts'
import { followDeltas, startAt } from './event-log.ts'
import { hasEnded, wireId } from '../job.ts'
import { standingOf, viewOf } from './job-view.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Client } from './client.ts'
import type { Decoded, Dialect, RunOf } from '../dialect.ts'
import type { Position } from './event-log.ts'
import type { Job, JobEvent, JobView } from '../job.ts'
import type { Link } from '../link.ts'
import type { Claims } from '../redis/claims.ts'
import type { Deltas } from '../redis/deltas.ts'
import type { Push } from '../redis/push.ts'
import type { Results, StoredJob } from '../redis/results.ts'
import type { Log } from '../telemetry/log.ts'

export interface JobsParts {
  readonly dialect: Dialect
  readonly push: Pick<Push, 'watch'>
  readonly results: Pick<Results, 'lookAt'>
  readonly deltas: Pick<Deltas, 'keyOf' | 'after'>
  readonly claims: Pick<Claims, 'finish' | 'cancel' | 'dropForeign'>
  /** Tells the workers that nobody wants the job any more, where their kind has a way of its own. */
  readonly announceCancel: (of: RunOf) => void
  /** All that must be ready for a result to reach us. */
  readonly resultLinks: readonly Link[]
  /** How long an outcome can be fetched. */
  readonly resultTtlMs: number
  /** Requests held at once. */
  readonly maxPending: number
  readonly log: Log
}

/** Of one who waits here. */
export interface Place {
  readonly bell: Bell
  readonly leave: () => void
}

interface Seen {
  readonly view: JobView
  readonly run: string
  /** When its life is over, by the monotonic clock. */
  readonly endsAt: number
}

/** Whose job, by the client's own id. */
export type JobName = Pick<Job, 'id' | 'owner'>

/**
 * Jobs by their ids, for whoever has one: how a job stands, its events, its end.
 * All of it is read from the claim and the keys in Redis, so any replica answers
 * for any job; in this process there are only those who wait.
 */
export class Jobs {
  readonly #parts: JobsParts
  readonly #waiting = new Set<Bell>()
  #isDraining = false
  #isStopping = false
  #onIdle = (): void => {}

  constructor(parts: JobsParts) {
    this.#parts = parts
  }

  /** Requests that are held here now. */
  get pending(): number {
    return this.#waiting.size
  }

  /** Rejects with `not_found`, also where it is somebody else's. */
  async view(name: JobName): Promise<JobView> {
    return (await this.#look(name)).view
  }

  /** As soon as it has ended, or as it stands after `waitMs`. */
  async hold(name: JobName, waitMs: number, client?: Client): Promise<JobView> {
    const until = performance.now() + waitMs
    const place = await this.admit(client)
    const watch = this.#parts.push.watch(this.#keysOf(name), () => place.bell.ring())
    try {
      await watch.armed
      for (;;) {
        const { view, endsAt } = await this.#look(name)
        const isOver = performance.now() >= until || client?.isGone || this.#isStopping
        if (hasEnded(view) || isOver) return view
        await place.bell.rung(Math.min(until, endsAt) - performance.now())
      }
    } finally {
      watch.end()
      place.leave()
    }
  }

  /**
   * What happens to it, in order and in batches as it comes, from a position on.
   * The first batch is the status, when it is known that there is such a job. Ends
   * after `done`, or when the client is gone; rejects with `interrupted` at a stop.
   */
  async *follow(
    name: JobName,
    from: Position | undefined,
    client?: Client,
    taken?: Place,
  ): AsyncGenerator<readonly JobEvent[]> {
    const { push, deltas } = this.#parts
    const keys = this.#keysOf(name)
    const key = deltas.keyOf(keys)
    const place = taken ?? (await this.admit(client))
    const { bell } = place
    let isLookDue = false
    const ofResult = push.watch(keys, () => {
      isLookDue = true
      bell.ring()
    })
    const ofDeltas = push.watch([key], () => bell.ring())
    try {
      await Promise.all([ofResult.armed, ofDeltas.armed])
      isLookDue = false
      let seen = await this.#look(name)
      yield [{ kind: 'status', status: seen.view.status }]
      const state = startAt(seen.run, from)
      for (;;) {
        // Before the deltas: of a job that has ended, all of them stand there.
        if (isLookDue || performance.now() >= seen.endsAt) {
          isLookDue = false
          const { status } = seen.view
          seen = await this.#look(name)
          const isNews = seen.view.status !== status && !hasEnded(seen.view)
          if (isNews) yield [{ kind: 'status', status: seen.view.status }]
        }
        for await (const batch of followDeltas(deltas, key, state, seen)) {
          yield batch
          if (client?.isGone) return
          this.#throwIfStopping()
        }
        if (hasEnded(seen.view) || client?.isGone) return
        this.#throwIfStopping()
        await bell.rung(seen.endsAt - performance.now())
      }
    } finally {
      ofResult.end()
      ofDeltas.end()
      place.leave()
    }
  }

  /** Ends it, whoever waits for it; an end it has had stands. Resolves with the job as it is then. */
  async cancel(name: JobName): Promise<JobView> {
    const { claims, dialect, resultTtlMs: ttlMs, announceCancel, log } = this.#parts
    const id = wireId(name)
    for (;;) {
      // `ended` or `moved` meanwhile: the next look says how.
      const { view, run } = await this.#look(name)
      if (hasEnded(view)) return view
      const of = { wireId: id, run, now: new Date() }
      const values = dialect.encodeOutcome({ kind: 'cancelled' }, of)
      const cancelling = claims.cancel(this.#keysOf(name), { run, values, ttlMs })
      const result = await cancelling.catch((cause: unknown) => {
        throw new GatewayError('results_down', 'the job could not be cancelled', { cause })
      })
      if (result !== 'cancelled') continue
      announceCancel(of)
      log.info({ job: name.id }, 'job.cancelled')
    }
  }

  /** A place among those who wait here; whoever takes it leaves it. */
  async admit(client?: Client): Promise<Place> {
    if (this.#isDraining) throw new GatewayError('draining', 'the gateway is stopping')
    if (this.#waiting.size >= this.#parts.maxPending) {
      throw new GatewayError('overloaded', 'too many requests are pending')
    }
    const bell = new Bell()
    const leave = (): void => {
      this.#waiting.delete(bell)
      if (this.#waiting.size === 0) this.#onIdle()
    }
    this.#waiting.add(bell)
    client?.onGone(() => bell.ring())
    try {
      await admitResults(this.#parts.resultLinks)
      return { bell, leave }
    } catch (error) {
      leave()
      throw error
    }
  }

  /** Holds nobody new, lets those who wait go on for up to `graceMs`, then sends them away. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    if (this.#waiting.size === 0) return
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
    const over = setTimeout(() => {
      this.#isStopping = true
      for (const bell of this.#waiting) bell.ring()
    }, graceMs)
    await idle
    clearTimeout(over)
  }

  #keysOf(name: JobName): readonly [string, ...string[]] {
    return this.#parts.dialect.resultKeys(wireId(name))
  }

  #throwIfStopping(): void {
    if (!this.#isStopping) return
    throw new GatewayError('interrupted', 'the gateway is stopping; the job goes on')
  }

  async #look(name: JobName): Promise<Seen> {
    const { results, dialect, resultTtlMs } = this.#parts
    const keys = this.#keysOf(name)
    const stored = await results.lookAt(keys, resultTtlMs)
    if (stored === undefined || stored.owner !== name.owner) {
      throw new GatewayError('not_found', 'there is no job with this id')
    }
    const standing = standingOf(stored, dialect)
    const isForeign =
      typeof standing === 'object' && standing.run !== undefined && standing.run !== stored.run
    if (typeof standing === 'object') await this.#settle(keys, stored, standing, isForeign)
    const view = viewOf(name.id, stored, isForeign ? 'queued' : standing)
    return { view, run: stored.run, endsAt: performance.now() + stored.lifeMs + 1 }
  }

  /** Writes down what was found, so that it stays so. */
  async #settle(
    keys: readonly string[],
    { run, state, outcome, finishedAt, values }: StoredJob,
    decoded: Decoded,
    isForeign: boolean,
  ): Promise<void> {
    if (state === 'cancelled') return
    const { claims, resultTtlMs, log } = this.#parts
    const { kind } = decoded.outcome
    // The look itself has said so.
    const isSaid = kind === 'succeeded' && finishedAt !== null
    if (!isForeign && (isSaid || outcome === kind)) return
    try {
      if (isForeign) {
        const isUnderWay = state !== 'done'
        await claims.dropForeign(keys, decoded.run as string, values[0] as string, isUnderWay)
      } else await claims.finish(keys, run, kind, resultTtlMs)
    } catch (error) {
      log.warn(errorFields(error), 'job.settle_failed')
    }
  }
}

import { interrupted } from '../errors.ts'
import { hasEnded, wireId } from '../job.ts'
import { followDeltas, startAt } from './event-log.ts'
import { Inbox } from './inbox.ts'
import { lookAtJob } from './job-view.ts'
import type { JobEvent, JobView } from '../job.ts'
import type { HintSource, Watch } from '../redis/push.ts'
import type { JobKeys } from '../redis/record/record.ts'
import type { Position } from './event-log.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { JobName } from './job-view.ts'
import type { Client } from './waiters.ts'

type Note = { readonly kind: 'result' | 'deltas' | 'left' | 'stop' }

/**
 * A request that looks at a job until it ends, by whichever replica: it waits for its end, or
 * reads its events. It keeps no job from being cancelled.
 */
export class Follower {
  readonly inbox = new Inbox<Note>()
  readonly #parts: GatewayParts
  readonly #name: JobName
  readonly #keys: JobKeys
  readonly #client: Client | undefined
  readonly #watches: Watch[] = []

  constructor(parts: GatewayParts, name: JobName, client: Client | undefined) {
    this.#parts = parts
    this.#name = name
    this.#keys = parts.records.keysOf(wireId(name))
    this.#client = client
    client?.onGone(() => this.inbox.put({ kind: 'left' }))
  }

  /** From here on no write to the result or the deltas is missed, once both are subscribed to. */
  watch(): void {
    const { results, deltas } = this.#keys
    this.#watches.push(this.#watch(results, 'result'), this.#watch([deltas], 'deltas'))
  }

  end(): void {
    for (const watch of this.#watches) watch.end()
  }

  /** The job as soon as it has ended, or as it is at `until`, by the monotonic clock. */
  async outcome(until: number): Promise<JobView> {
    this.#watches.push(this.#watch(this.#keys.results, 'result'))
    await this.#armed()
    for (;;) {
      const { view, dueAt } = await lookAtJob(this.#parts, this.#name)
      if (hasEnded(view) || performance.now() >= until || this.#client?.isGone) return view
      const note = await this.inbox.next(Math.min(until, dueAt))
      if (note?.kind === 'stop') return view
    }
  }

  /** What happens to the job, from a position on. See `Gateway.follow`. */
  async *events(from: Position | undefined): AsyncGenerator<readonly JobEvent[]> {
    const { deltas } = this.#parts
    await this.#armed()
    let seen = await lookAtJob(this.#parts, this.#name)
    yield [{ kind: 'status', status: seen.view.status, createdAt: seen.view.createdAt }]
    const state = startAt(seen.run, from)
    for (;;) {
      for await (const batch of followDeltas(deltas, this.#keys.deltas, state, seen)) {
        // A worker that writes has begun, also where its kind has no other way to say so.
        if (seen.view.status === 'queued' && batch.some(({ kind }) => kind === 'delta')) {
          seen = { ...seen, view: { ...seen.view, status: 'running' } }
          yield [{ kind: 'status', status: 'running' }]
        }
        yield batch
        if (this.#client?.isGone) return
      }
      if (hasEnded(seen.view)) return
      const note = await this.inbox.next(seen.dueAt)
      if (this.#client?.isGone) return
      if (note?.kind === 'stop') throw interrupted()
      if (note?.kind === 'deltas') continue
      // Before the deltas are read: of a job that has ended, all of them are there.
      const { status } = seen.view
      seen = await lookAtJob(this.#parts, this.#name)
      const isNews = seen.view.status !== status && !hasEnded(seen.view)
      if (isNews) yield [{ kind: 'status', status: seen.view.status }]
    }
  }

  #watch(keys: readonly string[], kind: 'result' | 'deltas'): Watch {
    return this.#parts.push.watch(keys, (_source: HintSource) => this.inbox.replace({ kind }))
  }

  async #armed(): Promise<void> {
    await Promise.all(this.#watches.map(({ armed }) => armed))
  }
}

import { hasEnded } from './job.ts'
import type { JobEvent, JobView } from './job.ts'
import type { Deltas } from './redis/deltas.ts'

/**
 * How far somebody has come, as told by the id of the last event: an entry of the
 * stream, just before one (a restart), or behind the rest that came with the result.
 */
export type Position =
  | { readonly kind: 'after'; readonly id: string }
  | { readonly kind: 'before'; readonly id: string }
  | { readonly kind: 'end' }

/** Of what a worker did not stream; entries of a stream have the time in theirs. */
const REST_ID = '0-1'
const START_ID = '0-0'
export const DONE_ID = 'done'

/** `undefined` when it is none that we have given out. */
export function positionOf(eventId: string): Position | undefined {
  if (eventId === REST_ID) return { kind: 'end' }
  const [, id, restart] = /^(\d{1,16}-\d{1,16})(:restart)?$/.exec(eventId) ?? []
  if (id === undefined) return undefined
  return { kind: restart === undefined ? 'after' : 'before', id }
}

/** What is known of the stream while somebody follows it. */
export interface Followed {
  run: string
  /** Of the entry read last. */
  lastId: string
  /** 0 before the first delta. */
  attempt: number
  /** Characters this attempt has streamed so far, as JavaScript counts them. */
  length: number
  /** Where to catch up to, before anything is told. */
  from: Position | undefined
}

export function startAt(run: string, from: Position | undefined): Followed {
  return { run, lastId: START_ID, attempt: 0, length: 0, from }
}

type Source = Pick<Deltas, 'after'>
/** How the job stood before the deltas were read. */
interface Seen {
  readonly run: string
  readonly view: JobView
}

/** Everything new, and when the job has ended, the rest and `done`. All deltas come before the outcome. */
export async function* followDeltas(
  source: Source,
  key: string,
  state: Followed,
  { run, view }: Seen,
): AsyncGenerator<readonly JobEvent[]> {
  if (run !== state.run) {
    Object.assign(state, startAt(run, undefined))
    yield [{ kind: 'restart', id: START_ID }]
  }
  if (state.from !== undefined && state.from.kind !== 'end') {
    const isThere = await catchUp(source, key, state, state.from)
    state.from = undefined
    // Trimmed, or of an earlier run: what is missing nobody can tell.
    if (!isThere) {
      Object.assign(state, startAt(run, undefined))
      yield [{ kind: 'restart', id: START_ID }]
    }
  }
  if (state.from?.kind !== 'end') yield* newDeltas(source, key, state)
  if (!hasEnded(view)) return
  const rest = restOf(view, state)
  if (rest !== '') yield [{ kind: 'delta', id: REST_ID, text: rest }]
  yield [{ kind: 'done', id: DONE_ID, view }]
}

async function* newDeltas(
  source: Source,
  key: string,
  state: Followed,
): AsyncGenerator<readonly JobEvent[]> {
  for (;;) {
    const { deltas, hasMore } = await source.after(key, state.lastId)
    const events: JobEvent[] = []
    for (const { id, text, attempt, run } of deltas) {
      state.lastId = id
      // A worker that was given up and has not noticed.
      if ((run !== undefined && run !== state.run) || attempt < state.attempt) continue
      if (attempt > state.attempt) {
        if (state.length > 0) events.push({ kind: 'restart', id: `${id}:restart` })
        Object.assign(state, { attempt, length: 0 })
      }
      state.length += text.length
      events.push({ kind: 'delta', id, text })
    }
    if (events.length > 0) yield events
    if (!hasMore) return
  }
}

/** Reads what was told already. `false` when the entry is not there. */
async function catchUp(
  source: Source,
  key: string,
  state: Followed,
  { kind, id: upTo }: { readonly kind: 'after' | 'before'; readonly id: string },
): Promise<boolean> {
  if (upTo === START_ID) return true
  for (;;) {
    const { deltas, hasMore } = await source.after(key, state.lastId)
    for (const { id, text, attempt, run } of deltas) {
      if (kind === 'before' && id === upTo) {
        // It was told that this attempt begins, and nothing of it.
        Object.assign(state, { attempt, length: 0 })
        return true
      }
      state.lastId = id
      if ((run === undefined || run === state.run) && attempt >= state.attempt) {
        state.length = text.length + (attempt > state.attempt ? 0 : state.length)
        state.attempt = attempt
      }
      if (id === upTo) return true
    }
    if (!hasMore) return false
  }
}

/** Of a worker that does not stream: everything. Of one that was interrupted in it: what is missing. */
function restOf({ outcome }: JobView, { length, from }: Followed): string {
  if (outcome?.kind !== 'succeeded' || from?.kind === 'end') return ''
  return outcome.content.slice(length)
}

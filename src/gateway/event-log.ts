import { createHash } from 'node:crypto'
import { hasEnded } from '../job.ts'
import type { Hash } from 'node:crypto'
import type { JobEvent, JobView } from '../job.ts'
import type { Deltas } from '../redis/deltas.ts'

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
/** All that we give out: of a delta, of a restart, of the end. */
export const EVENT_ID = /^(?:([0-9]{1,16}-[0-9]{1,16})(:restart)?|done)$/

/** `undefined` when it is none that we have given out. */
export function positionOf(eventId: string): Position | undefined {
  if (eventId === REST_ID) return { kind: 'end' }
  const [, id, restart] = EVENT_ID.exec(eventId) ?? []
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
  /** Of these characters. */
  hash: Hash
  /** Where to catch up to, before anything is told. */
  from: Position | undefined
}

export function startAt(run: string, from: Position | undefined): Followed {
  return { run, lastId: START_ID, ...newText(0), from }
}

const newText = (attempt: number) => ({ attempt, length: 0, hash: createHash('sha256') })

function append(state: Followed, text: string): void {
  state.length += text.length
  state.hash.update(text, 'utf16le')
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
  if (state.from?.kind === 'end' && hasEnded(view)) {
    return yield [{ kind: 'done', id: DONE_ID, view }]
  }
  if (state.from !== undefined) {
    const isThere = state.from.kind !== 'end' && (await catchUp(source, key, state, state.from))
    state.from = undefined
    // Trimmed, or of an earlier run: what is missing nobody can tell.
    if (!isThere) {
      Object.assign(state, startAt(run, undefined))
      yield [{ kind: 'restart', id: START_ID }]
    }
  }
  yield* newDeltas(source, key, state)
  if (!hasEnded(view)) return
  yield [...restOf(view, state), { kind: 'done', id: DONE_ID, view }]
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
        Object.assign(state, newText(attempt))
      }
      append(state, text)
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
        Object.assign(state, newText(attempt))
        return true
      }
      state.lastId = id
      if ((run === undefined || run === state.run) && attempt >= state.attempt) {
        if (attempt > state.attempt) Object.assign(state, newText(attempt))
        append(state, text)
      }
      if (id === upTo) return true
    }
    if (!hasMore) return false
  }
}

/**
 * What of the content was not streamed: everything, where the worker does not; the
 * end, where it was interrupted in it. Where the text so far is not how the content
 * begins, it was another attempt's, and all of it comes anew.
 */
function restOf({ outcome }: JobView, { length, hash }: Followed): JobEvent[] {
  if (outcome?.kind !== 'succeeded') return []
  const { content } = outcome
  const begin = createHash('sha256').update(content.slice(0, length), 'utf16le')
  const isBegin = hash.copy().digest().equals(begin.digest())
  const rest = isBegin ? content.slice(length) : content
  return [
    ...(isBegin ? [] : [{ kind: 'restart', id: START_ID } as const]),
    ...(rest === '' ? [] : [{ kind: 'delta', id: REST_ID, text: rest } as const]),
  ]
}

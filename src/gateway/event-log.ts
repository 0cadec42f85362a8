import { createHash } from 'node:crypto'
import { hasEnded } from '../job.ts'
import { piecesOf } from './delta-pieces.ts'
import type { Hash } from 'node:crypto'
import type { JobEvent, JobView } from '../job.ts'
import type { Delta, Deltas } from '../redis/deltas.ts'

/**
 * How far a client has read, as the id of its last event says: an entry of the stream, just
 * before one (a restart), the first `length` characters of one, behind the whole stream and just
 * before the whole content (a restart as well), the first `length` characters of the content, or
 * behind the text that came with the result.
 */
export type Position =
  | { readonly kind: 'after'; readonly id: string }
  | { readonly kind: 'before'; readonly id: string }
  | { readonly kind: 'within'; readonly id: string; readonly length: number }
  | { readonly kind: 'content' }
  | { readonly kind: 'partial'; readonly length: number; readonly digest: string }
  | { readonly kind: 'end' }

/** Of the text that the worker did not stream; entries of a stream have the time in their ids. */
const REST_ID = '0-1'
/** Of the restart before that text, where it is the whole content. */
const CONTENT_ID = `${REST_ID}:restart`
/** Whether an event with this id was made of the result, and not of what the worker streamed. */
export const isOfContent = (id: string): boolean => id === REST_ID || id.startsWith(`${REST_ID}:`)
const START_ID = '0-0'
export const DONE_ID = 'done'
/** Every id that an event can have: of a delta or a piece of one, of a restart, of the end. */
export const EVENT_ID =
  /^(?:([0-9]{1,16}-[0-9]{1,16})(:restart|:[0-9]{1,9})?|0-1:([0-9]{1,9}):([0-9a-f]{16})|done)$/

/** Undefined when no event has this id. */
export function positionOf(eventId: string): Position | undefined {
  if (eventId === REST_ID) return { kind: 'end' }
  if (eventId === CONTENT_ID) return { kind: 'content' }
  const [, id, suffix, length, digest] = EVENT_ID.exec(eventId) ?? []
  if (digest !== undefined) return { kind: 'partial', length: Number(length), digest }
  if (id === undefined) return undefined
  if (suffix === undefined) return { kind: 'after', id }
  if (suffix === ':restart') return { kind: 'before', id }
  return { kind: 'within', id, length: Number(suffix.slice(1)) }
}

/**
 * A worker keeps at least the last so many entries, so that a shorter stream has its first
 * entry. Of a longer one the first entries may be gone, and no reader can see that.
 */
export const KEPT_ENTRIES = 100_000

/** What is known of the stream while a client follows it. */
export interface Followed {
  run: string
  /** The entry that was read last. */
  lastId: string
  /** How many entries were read, of every run and attempt. */
  entries: number
  /** The delivery whose text the client gets; 0 before the first delta. */
  attempt: number
  /** The worker that leads this attempt, where it names itself. */
  writer: string | undefined
  /** How many deltas the client has of this attempt. */
  pieces: number
  /** How many characters this attempt has streamed so far, as JavaScript counts them. */
  length: number
  /** SHA-256 of these characters. */
  hash: Hash
  /** The job's end was read: what follows came too late. */
  isEnded: boolean
  /** The position to catch up with before the client gets anything. */
  from: Position | undefined
  /** How many characters of the next entry the client has already. */
  known: number
}

export function startAt(run: string, from: Position | undefined): Followed {
  return { run, lastId: START_ID, entries: 0, ...newText(0), isEnded: false, from, known: 0 }
}

const newText = (attempt: number, writer?: string) => ({
  attempt,
  writer,
  pieces: 0,
  length: 0,
  hash: createHash('sha256'),
})

function append(state: Followed, text: string): void {
  state.pieces += 1
  state.length += text.length
  state.hash.update(text, 'utf16le')
}

/**
 * Whether an entry continues the text (`more`), begins it again (`again`), or belongs to no
 * answer (`none`): it is of another run or an earlier attempt, of a second worker in the same
 * attempt, or it came after the end. The first worker of an attempt leads.
 */
function roleOf(delta: Delta, state: Followed): 'more' | 'again' | 'none' {
  const { run, attempt, writer, isEnd } = delta
  if (state.isEnded || (run !== undefined && run !== state.run)) return 'none'
  if (isEnd) state.isEnded = true
  if (isEnd || attempt < state.attempt) return 'none'
  if (attempt > state.attempt) return 'again'
  return writer === state.writer ? 'more' : 'none'
}

type Source = Pick<Deltas, 'after'>
/** How the job was before the deltas were read. */
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
  const { from } = state
  const done = { kind: 'done', id: DONE_ID, view } as const
  if (from?.kind === 'end' && hasEnded(view)) return yield [done]
  if (from?.kind === 'content' && hasEnded(view)) return yield [...contentFrom(0, view), done]
  if (from?.kind === 'partial' && hasEnded(view)) return yield [...contentAfter(from, view), done]
  if (from !== undefined) {
    const isThere = 'id' in from && (await catchUp(source, key, state, from))
    state.from = undefined
    // Trimmed, or of an earlier run: what the client lacks cannot be known.
    if (!isThere) {
      Object.assign(state, startAt(run, undefined))
      yield [{ kind: 'restart', id: START_ID }]
    }
  }
  yield* newDeltas(source, key, state)
  if (!hasEnded(view)) return
  yield [...restOf(view, state), done]
}

async function* newDeltas(
  source: Source,
  key: string,
  state: Followed,
): AsyncGenerator<readonly JobEvent[]> {
  for (;;) {
    const { deltas, hasMore } = await source.after(key, state.lastId)
    const events: JobEvent[] = []
    for (const delta of deltas) {
      const { id, text, chunks, attempt, writer } = delta
      state.lastId = id
      state.entries += 1
      const role = roleOf(delta, state)
      if (role === 'none') continue
      if (role === 'again') {
        if (state.pieces > 0) events.push({ kind: 'restart', id: `${id}:restart` })
        Object.assign(state, newText(attempt, writer))
      }
      append(state, text)
      const idOf = (end: number): string => `${id}:${end}`
      events.push(...piecesOf(text, { from: state.known, lastId: id, idOf, chunks }))
      state.known = 0
    }
    if (events.length > 0) yield events
    if (!hasMore) return
  }
}

/** Reads what the client has already. False when the entry is not there. */
async function catchUp(
  source: Source,
  key: string,
  state: Followed,
  position: Extract<Position, { readonly id: string }>,
): Promise<boolean> {
  const { kind, id: upTo } = position
  if (upTo === START_ID) return kind !== 'within'
  for (;;) {
    const { deltas, hasMore } = await source.after(key, state.lastId)
    for (const delta of deltas) {
      const { id, text, attempt, writer } = delta
      if (kind === 'before' && id === upTo) {
        // The client knows that this attempt begins, and has nothing of it.
        Object.assign(state, newText(attempt, writer))
        return true
      }
      const role = roleOf(delta, state)
      if (position.kind === 'within' && id === upTo) {
        if (role === 'none' || position.length >= text.length) return false
        // The client knows that this attempt begins, if it does. What is left of the entry is read next.
        if (role === 'again') Object.assign(state, newText(attempt, writer))
        state.known = position.length
        return true
      }
      state.lastId = id
      state.entries += 1
      if (role === 'again') Object.assign(state, newText(attempt, writer))
      if (role !== 'none') append(state, text)
      if (id === upTo) return true
    }
    if (!hasMore) return false
  }
}

/**
 * The part of the content that was not streamed: all of it if the worker does not stream,
 * the tail if streaming broke off. If the streamed text is not how the content begins, it
 * came from another attempt; then a `restart` comes first, and the whole content. So it is
 * after so many entries that the client may lack some.
 */
function restOf(view: JobView, { length, hash, entries }: Followed): JobEvent[] {
  const restart = { kind: 'restart', id: CONTENT_ID } as const
  if (entries >= KEPT_ENTRIES) return [restart, ...contentFrom(0, view)]
  const { outcome } = view
  if (outcome?.kind !== 'succeeded') return []
  const begin = createHash('sha256').update(outcome.content.slice(0, length), 'utf16le')
  const isBegin = hash.copy().digest().equals(begin.digest())
  return isBegin ? contentFrom(length, view) : [restart, ...contentFrom(0, view)]
}

function contentFrom(start: number, { outcome }: JobView): JobEvent[] {
  const text = outcome?.kind === 'succeeded' ? outcome.content : ''
  if (start >= text.length) return []
  const hash = createHash('sha256')
  let hashed = 0
  // Another run may have another content by then, so the id says what the client has, and not only how much.
  const idOf = (end: number): string => {
    hash.update(text.slice(hashed, end), 'utf16le')
    hashed = end
    return `${REST_ID}:${end}:${digestOf(hash.copy())}`
  }
  return piecesOf(text, { from: start, lastId: REST_ID, idOf })
}

/** What is left of the content for a client that has the beginning of it, or of another one. */
function contentAfter(
  { length, digest }: Extract<Position, { readonly kind: 'partial' }>,
  view: JobView,
): JobEvent[] {
  const text = view.outcome?.kind === 'succeeded' ? view.outcome.content : ''
  const begin = createHash('sha256').update(text.slice(0, length), 'utf16le')
  if (length <= text.length && digestOf(begin) === digest) return contentFrom(length, view)
  return [{ kind: 'restart', id: CONTENT_ID }, ...contentFrom(0, view)]
}

const digestOf = (hash: Hash): string => hash.digest('hex').slice(0, 16)

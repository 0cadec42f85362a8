import type { JobEvent } from '../job.ts'

/**
 * The most characters of one delta, as JavaScript counts them. JSON has at most six bytes for
 * each, so that a line with them stays below the 64 KB that common line readers hold.
 */
export const MAX_DELTA = 8_192

export interface Cut {
  /** How many characters the client has already. */
  readonly from: number
  /** The id of the last piece. */
  readonly lastId: string
  /** The id of a piece that ends before the text does. */
  readonly idOf: (end: number) => string
  /** The engine's chunks of the whole text, which cannot be cut. They come with the last piece. */
  readonly chunks?: string | undefined
}

/** The text as deltas of a bounded length. Each has an id of its own, so that a client can resume behind each. */
export function piecesOf(text: string, { from, lastId, idOf, chunks }: Cut): JobEvent[] {
  const pieces: JobEvent[] = []
  // A reader of chunks takes none from the other pieces, and does not look at their text.
  const none = chunks === undefined ? {} : { chunks: '[]' }
  let start = from
  while (text.length - start > MAX_DELTA) {
    const end = start + MAX_DELTA - (isPairAt(text, start + MAX_DELTA) ? 1 : 0)
    pieces.push({ kind: 'delta', id: idOf(end), text: text.slice(start, end), ...none })
    start = end
  }
  const all = chunks === undefined ? {} : { chunks }
  pieces.push({ kind: 'delta', id: lastId, text: text.slice(start), ...all })
  return pieces
}

/** A cut here would divide a character. */
const isPairAt = (text: string, index: number): boolean =>
  (text.codePointAt(index - 1) ?? 0) > 0xffff

import { ErrorReply, RESP_TYPES } from 'redis'
import { GatewayError } from '../errors.ts'
import { claimKey, pendingKey } from './keys.ts'
import { marksOf } from './script.ts'
import type { Dialect, Values } from '../dialect.ts'
import type { RedisClient } from './connection.ts'
import type { LookReply } from './job-scripts.ts'
import type { TakeReply } from './scripts.ts'

/** Read in pieces of this size, so that a large result holds up neither other reads nor the watchdog's PING. */
const PIECE_BYTES = 512 * 1024
const MAX_BYTES = 32 * 1024 * 1024

export interface ReadResult {
  /** At the keys, in their order; `null` where there is nothing. */
  readonly values: Values
  /** The run that the claim names; `null` without a claim. */
  readonly run: string | null
  /** Whatever stands there. */
  readonly isCancelled: boolean
  /** The claim says that its outcome was read: since this read, or before. */
  readonly isFinished: boolean
}

/** A claim, and what stands at its result keys. */
export interface StoredJob {
  readonly run: string
  readonly owner: string
  readonly state: 'claimed' | 'published' | 'done' | 'cancelled'
  /** What kind of end was read; `read`: nobody has said yet which. null before. */
  readonly outcome: string | null
  readonly createdAt: number | null
  readonly finishedAt: number | null
  /** What is left of the job's life; negative when it is over. */
  readonly lifeMs: number
  readonly values: Values
}

export interface TakeOptions {
  /** The run that is waited for. */
  readonly run: string
  /** A look, and no more: without it, a job that has ended is finished in the same step. */
  readonly isLook?: boolean
  readonly ttlMs: number
  /** What the sweep knows it by, if it need not look any more; else ''. */
  readonly entry: string
}

/** Reads what workers wrote. */
export class Results {
  readonly #client: RedisClient
  readonly #index: string
  readonly #marks: string

  constructor(client: RedisClient, prefix: string, dialect: Pick<Dialect, 'ends'>) {
    this.#client = client
    this.#index = pendingKey(prefix)
    this.#marks = marksOf(dialect)
  }

  /**
   * The values at these keys and the claim's run, of one moment. Rejects with
   * `bad_result` when a value is too large or no string, with `results_down` when
   * Redis cannot be asked.
   */
  async take(keys: readonly [string, ...string[]], options: TakeOptions): Promise<ReadResult> {
    const { run: ours, isLook = false, ttlMs, entry } = options
    try {
      const claim = claimKey(keys[0])
      const reply: unknown = await this.#client.takeResult(
        [claim, this.#index, ...keys],
        [ours, String(ttlMs), String(PIECE_BYTES), isLook ? '' : this.#marks, entry],
      )
      const [run, state, finished, ...pieces] = reply as TakeReply
      const isCancelled = state === 'cancelled'
      const isFinished = finished === 1
      if (pieces.every(isWhole)) return { values: pieces, run, isCancelled, isFinished }
      const values = await this.#complete(keys, pieces)
      // A run never comes back: if it is still the same, all pieces were written for it.
      const runNow = (await this.#client.hGet(claim, 'run')) ?? null
      return { values, run: runNow, isCancelled, isFinished }
    } catch (error) {
      throw readError(error)
    }
  }

  /**
   * The job as it stands, whichever run it is; `undefined` where nobody has asked
   * for it. Marks the outcome as read, if it has one. Rejects as `take` does.
   */
  async lookAt(
    keys: readonly [string, ...string[]],
    ttlMs: number,
  ): Promise<StoredJob | undefined> {
    const claim = claimKey(keys[0])
    try {
      for (;;) {
        const reply: unknown = await this.#client.lookAtJob(
          [claim, ...keys],
          [String(PIECE_BYTES), this.#marks, String(ttlMs)],
        )
        const [run, owner, state, outcome, created, finished, lifeMs, ...pieces] =
          reply as LookReply
        if (run === undefined) return undefined
        const isCut = !pieces.every(isWhole)
        const values = isCut ? await this.#complete(keys, pieces) : pieces
        // Read in pieces, they may be of two runs: then once more.
        if (isCut && (await this.#client.hGet(claim, 'run')) !== run) continue
        const [createdAt, finishedAt] = [numberOrNull(created), numberOrNull(finished)]
        return {
          run,
          owner: owner as string,
          state: state as StoredJob['state'],
          outcome: outcome ?? null,
          createdAt,
          finishedAt,
          lifeMs: lifeMs as number,
          values,
        }
      }
    } catch (error) {
      throw readError(error)
    }
  }

  #complete(
    keys: readonly string[],
    pieces: readonly (string | null)[],
  ): Promise<(string | null)[]> {
    return Promise.all(
      pieces.map(async (piece, index) =>
        isWhole(piece) ? piece : this.#readWhole(keys[index] as string),
      ),
    )
  }

  /** A value of more than one piece. */
  async #readWhole(key: string): Promise<string> {
    const size = await this.#client.strLen(key)
    if (size > MAX_BYTES) {
      throw new GatewayError('bad_result', `the result has ${size} bytes, more than ${MAX_BYTES}`)
    }
    // As bytes: a piece may end in the middle of a character.
    const client = this.#client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    const parts: Buffer[] = []
    for (let start = 0; start < size; start += PIECE_BYTES) {
      const part = await client.getRange(key, start, start + PIECE_BYTES - 1)
      parts.push(part ?? Buffer.alloc(0))
    }
    return Buffer.concat(parts).toString()
  }
}

function readError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof ErrorReply && error.message.startsWith('WRONGTYPE')) {
    return new GatewayError('bad_result', 'the result is not a string', { cause: error })
  }
  return new GatewayError('results_down', 'the result could not be read', { cause: error })
}

const numberOrNull = (text: string | number | null | undefined): number | null =>
  text === null || text === undefined ? null : Number(text)

/** Nothing, or all of it: cut off, it would have at least the bytes that were asked for. */
function isWhole(text: string | null): boolean {
  return text === null || text.length * 3 < PIECE_BYTES || Buffer.byteLength(text) < PIECE_BYTES
}

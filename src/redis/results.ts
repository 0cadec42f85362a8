import { ErrorReply, RESP_TYPES } from 'redis'
import { GatewayError } from '../errors.ts'
import { claimKey, pendingKey } from './keys.ts'
import type { RedisClient } from './connect.ts'
import type { TakeReply } from './scripts.ts'

/** Read in pieces of this size, so that a large result holds up neither other reads nor the watchdog's PING. */
const PIECE_BYTES = 512 * 1024
const MAX_BYTES = 32 * 1024 * 1024

export interface ReadResult {
  /** At the keys, in their order; `null` where there is nothing. */
  readonly values: readonly (string | null)[]
  /** The run that the claim names; `null` without a claim. */
  readonly run: string | null
}

export interface TakeOptions {
  /** The run that is waited for. */
  readonly run: string
  /** Whether any value ends the job: then it is finished in the same step. */
  readonly isEnd: boolean
  readonly ttlMs: number
  /** What the sweep knows it by, if it need not look any more; else ''. */
  readonly entry: string
}

/** Reads what workers wrote. */
export class Results {
  readonly #client: RedisClient
  readonly #index: string

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#index = pendingKey(prefix)
  }

  /**
   * The values at these keys and the claim's run, of one moment. Rejects with
   * `bad_result` when a value is too large or no string, with `results_down` when
   * Redis cannot be asked.
   */
  async take(keys: readonly [string, ...string[]], options: TakeOptions): Promise<ReadResult> {
    const { run: ours, isEnd, ttlMs, entry } = options
    try {
      const claim = claimKey(keys[0])
      const reply: unknown = await this.#client.takeResult(
        [claim, this.#index, ...keys],
        [ours, String(ttlMs), String(PIECE_BYTES), isEnd ? '1' : '', entry],
      )
      const [run, ...pieces] = reply as TakeReply
      if (pieces.every(isWhole)) return { values: pieces, run }
      const values = await Promise.all(
        pieces.map(async (piece, index) =>
          isWhole(piece) ? piece : this.#complete(keys[index] as string),
        ),
      )
      // A run never comes back: if it is still the same, all pieces were written for it.
      return { values, run: (await this.#client.hGet(claim, 'run')) ?? null }
    } catch (error) {
      if (error instanceof GatewayError) throw error
      if (error instanceof ErrorReply && error.message.startsWith('WRONGTYPE')) {
        throw new GatewayError('bad_result', 'the result is not a string', { cause: error })
      }
      throw new GatewayError('results_down', 'the result could not be read', { cause: error })
    }
  }

  /** A value of more than one piece. */
  async #complete(key: string): Promise<string> {
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

/** Nothing, or all of it: cut off, it would have at least the bytes that were asked for. */
function isWhole(text: string | null): boolean {
  return text === null || text.length * 3 < PIECE_BYTES || Buffer.byteLength(text) < PIECE_BYTES
}

import { ErrorReply, RESP_TYPES } from 'redis'
import { GatewayError } from '../errors.ts'
import { claimKey } from './keys.ts'
import type { RedisClient } from './connect.ts'

/** Read in pieces of this size, so that a large result holds up neither other reads nor the watchdog's PING. */
const PIECE_BYTES = 512 * 1024
const MAX_BYTES = 32 * 1024 * 1024

export interface ReadResult {
  /** At the keys, in their order; `null` where there is nothing. */
  readonly values: readonly (string | null)[]
  /** The run that the claim named after the values were read; `null` without a claim. */
  readonly run: string | null
}

/** Reads what workers wrote. */
export class Results {
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    this.#client = client
  }

  /**
   * The values at these keys, and then the claim's run, in this order: a run
   * never comes back, so if it is still ours the values were written for us.
   * Rejects with `bad_result` when a value is too large or no string, with
   * `results_down` when Redis cannot be asked.
   */
  async read(keys: readonly [string, ...string[]]): Promise<ReadResult> {
    try {
      const claim = claimKey(keys[0])
      // Sent together, answered in this order. One command per key: MGET would hide a key of another type.
      const pieces = keys.map((key) => this.#client.getRange(key, 0, PIECE_BYTES - 1))
      // Awaited together: a rejection that nobody awaits ends the process.
      const [run, ...first] = await Promise.all([this.#client.hGet(claim, 'run'), ...pieces])
      const texts = first.map((text) => text ?? '')
      if (texts.every(isShort)) return { values: texts, run: run ?? null }
      const values = await Promise.all(
        keys.map((key, index) => this.#complete(key, texts[index] as string)),
      )
      return { values, run: await this.#client.hGet(claim, 'run') }
    } catch (error) {
      if (error instanceof GatewayError) throw error
      if (error instanceof ErrorReply && error.message.startsWith('WRONGTYPE')) {
        throw new GatewayError('bad_result', 'the result is not a string', { cause: error })
      }
      throw new GatewayError('results_down', 'the result could not be read', { cause: error })
    }
  }

  /** What a first piece leaves open: whether nothing stands there, or what follows. */
  async #complete(key: string, first: string): Promise<string | null> {
    if (first === '') {
      // In one transaction: it may be written at this very moment.
      const pair = this.#client
        .multi()
        .exists(key)
        .getRange(key, 0, PIECE_BYTES - 1)
      const [exists, again] = await pair.execTyped()
      if (exists === 0) return null
      if (again === '') return ''
      return this.#complete(key, again ?? '')
    }
    if (isShort(first)) return first
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

/** Something, and all of it: cut off, it would have at least the bytes that were asked for. */
function isShort(text: string): boolean {
  return text !== '' && (text.length * 3 < PIECE_BYTES || Buffer.byteLength(text) < PIECE_BYTES)
}

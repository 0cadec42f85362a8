import { ErrorReply, RESP_TYPES } from 'redis'
import { GatewayError } from '../../errors.ts'
import { noResult } from '../refusal.ts'
import type { RedisClient } from '../connection.ts'

/** Values are read in pieces of this size, so that a large result delays neither other reads nor the watchdog's PING. */
export const PIECE_BYTES = 512 * 1024
/** A larger value is not read. */
export const MAX_RESULT_BYTES = 32 * 1024 * 1024

/** No value, or all of it: a value that was cut has at least the bytes that were asked for. */
export function isWhole(text: string | null): boolean {
  return text === null || text.length * 3 < PIECE_BYTES || Buffer.byteLength(text) < PIECE_BYTES
}

/** The values whose beginnings these are. Rejects with `bad_result` when one is too large. */
export function completed(
  client: RedisClient,
  keys: readonly string[],
  pieces: readonly (string | null)[],
): Promise<(string | null)[]> {
  return Promise.all(
    pieces.map(async (piece, index) =>
      isWhole(piece) ? piece : readWhole(client, keys[index] as string),
    ),
  )
}

async function readWhole(client: RedisClient, key: string): Promise<string> {
  const size = await client.strLen(key)
  if (size > MAX_RESULT_BYTES) {
    throw new GatewayError(
      'bad_result',
      `the result has ${size} bytes, more than ${MAX_RESULT_BYTES}`,
    )
  }
  // As bytes: a piece may end in the middle of a character.
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  const parts: Buffer[] = []
  for (let start = 0; start < size; start += PIECE_BYTES) {
    const part = await bytes.getRange(key, start, start + PIECE_BYTES - 1)
    parts.push(part ?? Buffer.alloc(0))
  }
  return Buffer.concat(parts).toString()
}

/** What a failed read means for the job: a value no reader can read, or a Redis that cannot be asked now. */
export function readError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof ErrorReply && error.message.startsWith('WRONGTYPE')) {
    return new GatewayError('bad_result', 'the result is not a string', { cause: error })
  }
  return noResult('the result could not be read', error)
}

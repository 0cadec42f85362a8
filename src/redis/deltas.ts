import { ErrorReply } from 'redis'
import { GatewayError } from '../errors.ts'
import type { RedisClient } from './connection.ts'

/** Entries that are read at once: a whole stream would not fit into one reply. */
const BATCH = 100

/** A worker may remove the first entries of a stream that has more than so many. */
export const MAY_BE_TRIMMED = 100_000

/** An entry of a job's stream: a piece of an answer as a worker appended it, or the end of the job. */
export interface Delta {
  /** Of the entry; in the order of time. */
  readonly id: string
  readonly text: string
  /** The engine's chunks that the text is of, as the JSON text of an array. */
  readonly chunks?: string | undefined
  /** Which delivery of the message it comes from. */
  readonly attempt: number
  /** Random name of the delivery that wrote it, where the worker gives one. */
  readonly writer?: string | undefined
  /** The run that the worker echoed, where it does. */
  readonly run?: string | undefined
  /** The job has ended. What comes after this entry came too late and belongs to no answer. */
  readonly isEnd: boolean
}

/** Reads what workers stream before the result. README documents the form for workers. */
export class Deltas {
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    this.#client = client
  }

  /** Whether entries have been removed from the front. Redis before 7.0 cannot tell: there, every long stream may lack some. */
  async isTrimmed(key: string): Promise<boolean> {
    try {
      const info = await this.#client.xInfoStream(key)
      if (info['entries-added'] === undefined) return Number(info.length) >= MAY_BE_TRIMMED
      const removed = Number(info['entries-added']) - Number(info.length)
      // One that is not from the front is an end that was taken back, because its result was another run's.
      const isFromFront = isBefore(info['max-deleted-entry-id'], info['first-entry']?.id)
      return removed > 1 || (removed === 1 && isFromFront)
    } catch (cause) {
      if (cause instanceof ErrorReply && cause.message.includes('no such key')) return false
      throw new GatewayError('results_down', 'the deltas could not be read', { cause })
    }
  }

  /** The entries behind this one, at most `BATCH`. `hasMore`: there may be more. */
  async after(
    key: string,
    id: string,
  ): Promise<{ readonly deltas: readonly Delta[]; readonly hasMore: boolean }> {
    try {
      const entries = (await this.#client.xRange(key, `(${id}`, '+', { COUNT: BATCH })) ?? []
      const deltas = entries.map(({ id: entryId, message }) => ({
        id: entryId,
        text: message.text ?? '',
        chunks: message.chunks,
        attempt: Number.parseInt(message.attempt ?? '', 10) || 1,
        writer: message.writer,
        run: message.run,
        isEnd: message.end !== undefined,
      }))
      return { deltas, hasMore: deltas.length === BATCH }
    } catch (cause) {
      throw new GatewayError('results_down', 'the deltas could not be read', { cause })
    }
  }
}

/** Whether an entry's id is of an earlier time than another's. Without the other there is nothing but what is gone. */
function isBefore(id: unknown, other: unknown): boolean {
  if (other === undefined) return true
  const [a, b] = [id, other].map((each) => String(each).split('-').map(Number) as [number, number])
  return a !== undefined && b !== undefined && (a[0] - b[0] || a[1] - b[1]) < 0
}

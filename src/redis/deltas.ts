import { GatewayError } from '../errors.ts'
import type { RedisClient } from './connection.ts'

/** Entries that are read at once: a whole stream would not fit into one reply. */
const BATCH = 100

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

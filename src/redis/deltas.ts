import { GatewayError } from '../errors.ts'
import { deltasKey } from './keys.ts'
import type { RedisClient } from './connection.ts'

/** So many entries are read at once: a stream from its begin on would not fit into one reply. */
const BATCH = 100

/** A piece of an answer, as a worker appended it. */
export interface Delta {
  /** Of the entry; in the order of time. */
  readonly id: string
  readonly text: string
  /** Which delivery of the message it is from. */
  readonly attempt: number
  /** The run the worker echoed, if it does. */
  readonly run?: string | undefined
}

/** Reads what workers stream before the result. The form is README's "For workers". */
export class Deltas {
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    this.#client = client
  }

  /** The key that changes with every delta of the job with these result keys. */
  keyOf(keys: readonly [string, ...string[]]): string {
    return deltasKey(keys[0])
  }

  /** What follows on an entry, `BATCH` at most; `hasMore`: there may be more of it. */
  async after(
    key: string,
    id: string,
  ): Promise<{ readonly deltas: readonly Delta[]; readonly hasMore: boolean }> {
    try {
      const entries = (await this.#client.xRange(key, `(${id}`, '+', { COUNT: BATCH })) ?? []
      const deltas = entries.map(({ id: entryId, message }) => ({
        id: entryId,
        text: message.text ?? '',
        attempt: Number.parseInt(message.attempt ?? '', 10) || 1,
        run: message.run,
      }))
      return { deltas, hasMore: deltas.length === BATCH }
    } catch (cause) {
      throw new GatewayError('results_down', 'the deltas could not be read', { cause })
    }
  }
}

import { ErrorReply } from 'redis'
import { GatewayError } from '../errors.ts'
import type { RedisClient } from './connect.ts'

/** Reads what workers wrote. */
export class Results {
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    this.#client = client
  }

  /**
   * The values at these keys, `null` where there is none. Rejects with
   * `bad_result` when a key holds something else than a string, with
   * `results_down` when Redis cannot be asked. One GET per key: MGET would hide
   * a key of another type.
   */
  async read(keys: readonly string[]): Promise<(string | null)[]> {
    try {
      const [first] = keys
      if (keys.length === 1) return [await this.#client.get(first as string)]
      return await Promise.all(keys.map((key) => this.#client.get(key)))
    } catch (error) {
      if (error instanceof ErrorReply && error.message.startsWith('WRONGTYPE')) {
        throw new GatewayError('bad_result', 'the result is not a string', { cause: error })
      }
      throw new GatewayError('results_down', 'the result could not be read', { cause: error })
    }
  }
}

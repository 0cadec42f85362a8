import { GatewayError } from '../../errors.ts'
import { noResult } from '../refusal.ts'
import { MAX_RESULT_BYTES, PIECE_BYTES, completed, readError } from './values.ts'
import type { RedisClient } from '../connection.ts'
import type { JobKeys } from './record.ts'

/** What surfaces keep of their requests, beside the record of each job, and as long as it. */
export class KeptRequests {
  readonly #client: RedisClient

  constructor(client: RedisClient) {
    this.#client = client
  }

  /** Removes what was kept of an earlier request for the same id. Rejects with `results_down`. */
  async remove({ kept }: JobKeys): Promise<void> {
    try {
      await this.#client.del(kept)
    } catch (cause) {
      throw noResult('what was kept of an earlier request could not be removed', cause)
    }
  }

  /** Rejects with `message_too_large` where it could not be read again, and with `results_down`. */
  async put({ kept }: JobKeys, text: string, lifeMs: number): Promise<void> {
    const bytes = Buffer.byteLength(text)
    if (bytes > MAX_RESULT_BYTES) {
      throw new GatewayError(
        'message_too_large',
        `the request and the conversation that it continues have ${bytes} bytes, and ${MAX_RESULT_BYTES} at most can be stored`,
      )
    }
    try {
      await this.#client.set(kept, text, { expiration: { type: 'PX', value: lifeMs } })
    } catch (cause) {
      throw noResult('the request could not be kept', cause)
    }
  }

  /** Undefined where there is none. Rejects with `results_down`, and with `bad_result` where it is no text. */
  async get({ kept }: JobKeys): Promise<string | undefined> {
    try {
      const piece = await this.#client.getRange(kept, 0, PIECE_BYTES - 1)
      if (piece === '') return undefined
      const [text] = await completed(this.#client, [kept], [piece])
      return text ?? undefined
    } catch (error) {
      throw readError(error)
    }
  }

  /**
   * Removes it with all else that is stored of a run that has ended. False where another run has
   * the id by now. Rejects with `results_down`.
   */
  async removeJob(keys: JobKeys, run: string): Promise<boolean> {
    try {
      return await this.#client.removeJob({ keys, ask: { run }, others: [keys.kept] })
    } catch (cause) {
      throw noResult('the job could not be removed', cause)
    }
  }
}

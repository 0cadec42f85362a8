import { errorFields } from '../telemetry/log.ts'
import { unansweredKey } from './keys.ts'
import type { Log } from '../telemetry/log.ts'
import type { RedisConnection } from './connection.ts'

/** How long a request that got no outcome may come again and join its job. */
export const KEPT_MS = 60_000

/**
 * In one step, so that of two requests one gets the job. GETDEL would do the same, but it needs
 * Redis 6.2 and a right that a login of an earlier version does not have.
 */
const TAKE = `
local id = redis.call('GET', KEYS[1])
if id then redis.call('DEL', KEYS[1]) end
return id
`

/**
 * The ids of jobs whose clients got no outcome, for all replicas. Each is written only then. A
 * Redis that cannot be asked now is no reason to refuse a request: it begins a job of its own.
 */
export class UnansweredJobs {
  readonly #connection: Pick<RedisConnection, 'client'>
  readonly #prefix: string
  readonly #log: Log

  constructor(connection: Pick<RedisConnection, 'client'>, prefix: string, log: Log) {
    this.#connection = connection
    this.#prefix = prefix
    this.#log = log
  }

  /** The id of the job, which is forgotten with this. */
  async take(request: string): Promise<string | undefined> {
    const { client } = this.#connection
    const key = unansweredKey(this.#prefix, request)
    try {
      const id = await client.eval(TAKE, { keys: [key] })
      return typeof id === 'string' ? id : undefined
    } catch (error) {
      this.#log.warn(errorFields(error), 'unanswered.take_failed')
      return undefined
    }
  }

  async put(request: string, id: string): Promise<void> {
    const expiration = { type: 'PX', value: KEPT_MS } as const
    try {
      await this.#connection.client.set(unansweredKey(this.#prefix, request), id, { expiration })
    } catch (error) {
      this.#log.warn(errorFields(error), 'unanswered.put_failed')
    }
  }
}

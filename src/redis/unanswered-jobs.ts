import { errorFields } from '../telemetry/log.ts'
import { unansweredKey, unansweredNames } from './keys.ts'
import type { Log } from '../telemetry/log.ts'
import type { RedisConnection } from './connection.ts'
import type { UnansweredNames } from './unanswered-names.ts'

/** How long a request that got no outcome may come again and join its job. */
export const KEPT_MS = 60_000

/**
 * In one step, so that of two requests one gets the job. GETDEL would do the same, but it needs
 * Redis 6.2 and a right that a login of an earlier version does not have.
 */
const TAKE = `
local id = redis.call('GET', KEYS[1])
if id then
  redis.call('DEL', KEYS[1])
  redis.pcall('ZREM', KEYS[2], ARGV[1])
end
return id
`

export interface UnansweredJobsOptions {
  readonly connection: Pick<RedisConnection, 'client'>
  readonly names: Pick<UnansweredNames, 'take' | 'add' | 'announce'>
  readonly prefix: string
  readonly log: Log
}

/**
 * The ids of jobs whose clients got no outcome, for all replicas. Each is written only then, and
 * Redis is asked only for those whose names were announced. A Redis that cannot be asked now is no
 * reason to refuse a request: it begins a job of its own.
 */
export class UnansweredJobs {
  readonly #options: UnansweredJobsOptions

  constructor(options: UnansweredJobsOptions) {
    this.#options = options
  }

  /** The id of the job, which is forgotten with this. */
  async take(request: string): Promise<string | undefined> {
    const { connection, names, prefix, log } = this.#options
    if (!names.take(request)) return undefined
    const keys = [unansweredKey(prefix, request), unansweredNames(prefix)]
    try {
      const id = await connection.client.eval(TAKE, { keys, arguments: [request] })
      return typeof id === 'string' ? id : undefined
    } catch (error) {
      names.add(request)
      log.warn(errorFields(error), 'unanswered.take_failed')
      return undefined
    }
  }

  /** In one round trip, and in this order: a replica that hears the name finds the id. */
  async put(request: string, id: string): Promise<void> {
    await Promise.all([this.#keep(request, id), this.#options.names.announce(request)])
  }

  async #keep(request: string, id: string): Promise<void> {
    const { connection, prefix, log } = this.#options
    const expiration = { type: 'PX', value: KEPT_MS } as const
    try {
      await connection.client.set(unansweredKey(prefix, request), id, { expiration })
    } catch (error) {
      log.warn(errorFields(error), 'unanswered.put_failed')
    }
  }
}

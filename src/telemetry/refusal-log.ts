import { errorFields } from './log.ts'
import type { GatewayError } from '../errors.ts'
import type { Log } from './log.ts'

/** The same cause is logged so often at most: an outage refuses many requests a second. */
const EVERY_MS = 10_000
/** Causes that are kept apart. Their texts are those of servers, which may be any number. */
const MAX_CAUSES = 100

/** Logs why requests are refused: each cause at once, then every ten seconds with how many there were in between. */
export class RefusalLog {
  readonly #log: Log
  readonly #seen = new Map<string, { at: number; unlogged: number }>()

  constructor(log: Log) {
    this.#log = log
  }

  tell({ code, message, cause }: GatewayError): void {
    const { error } = cause === undefined ? { error: message } : errorFields(rootOf(cause))
    const key = `${code} ${error}`
    const seen = this.#seen.get(key)
    const now = performance.now()
    if (seen !== undefined && now - seen.at < EVERY_MS) {
      seen.unlogged += 1
      return
    }
    if (this.#seen.size >= MAX_CAUSES) this.#seen.clear()
    this.#seen.set(key, { at: now, unlogged: 0 })
    const more = seen === undefined || seen.unlogged === 0 ? {} : { unlogged: seen.unlogged }
    this.#log.warn({ code, error, ...more }, 'request.refused')
  }
}

/** The error that all others were made of. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootOf(error.cause) : error
}

import type { Reply } from './post.ts'

/** Between tries where the server does not say how long to wait: doubled each time, up to the most. */
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000
/** After so many broken connections the server is not asked again: it may be this very request that ends it. */
const MAX_BREAKS = 3

/** How long to wait before the next try; undefined: no further one. */
export class RetryPolicy {
  readonly #patienceMs: number
  readonly #startedAt = performance.now()
  #breaks = 0
  #delayMs = FIRST_DELAY_MS

  /** `patienceMs`: for so long a server is asked again that is busy and does not say how long. */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  /** The connection broke before anything of an answer came. At first, the cause is mostly that it was an old one. */
  afterBreak(): number | undefined {
    this.#breaks += 1
    if (this.#breaks > MAX_BREAKS) return undefined
    return this.#breaks === 1 ? 0 : this.#nextDelay()
  }

  /** The server answered by this status. `leftMs`: of the job's life. */
  afterStatus({ status, headers }: Pick<Reply, 'status' | 'headers'>, leftMs: number) {
    const toldMs = retryAfterMs(headers, Date.now())
    const isBusy = status === 429 || status === 503
    const isToldLater = toldMs !== undefined && (status === 408 || status === 425 || status >= 500)
    if (!isBusy && !isToldLater) return undefined
    const delayMs = Math.max(toldMs ?? 0, this.#nextDelay())
    if (delayMs >= leftMs) return undefined
    const isPatient = performance.now() - this.#startedAt + delayMs <= this.#patienceMs
    return toldMs !== undefined || isPatient ? delayMs : undefined
  }

  #nextDelay(): number {
    const delayMs = this.#delayMs
    this.#delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)
    return delayMs
  }
}

/**
 * What `retry-after` says, in seconds or as a date, or `retry-after-ms` of Azure; undefined where it
 * is absent or of no known form. A date counts from the server's own clock where it tells that.
 */
export function retryAfterMs(headers: Reply['headers'], now: number): number | undefined {
  const exact = headers['retry-after-ms']
  if (typeof exact === 'string' && /^\d+(\.\d+)?$/.test(exact)) return Number(exact)
  const told = headers['retry-after']?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(told)) return Number(told) * 1000
  const at = /[a-z]/i.test(told) ? Date.parse(told) : Number.NaN
  if (Number.isNaN(at)) return undefined
  const serversNow = Date.parse(headers.date ?? '')
  return Math.max(0, at - (Number.isNaN(serversNow) ? now : serversNow))
}

import { lineJson } from '../../sse.ts'
import { PING } from '../event-lines.ts'
import { ResponseFold } from './response-fold.ts'
import type { JobEvent } from '../../../job.ts'
import type { EventWriter } from '../../sse.ts'
import type { ErrorObject } from '../../error-object.ts'
import type { Echo, ResponseEvent } from './response-types.ts'

/**
 * Some clients count only data and not comments, and give up after five minutes: so every
 * fourth ping, one a minute, has data as well. The SDKs know this type of event.
 */
const PINGS_PER_KEEPALIVE = 4

export interface ResponseStream {
  readonly id: string
  readonly echo: Echo
  /** The number of the last event that the client has; -1 for none. */
  readonly after: number
  readonly errorOf: (error: unknown) => ErrorObject
  readonly pingMs?: number | undefined
}

/** Writes the events of one job as those of a response, which ends with `[DONE]`. */
export class ResponseWriter implements EventWriter {
  readonly pingMs: number | undefined
  readonly #stream: ResponseStream
  #fold: ResponseFold | undefined
  #pings = 0
  #hasWritten = false

  constructor(stream: ResponseStream) {
    this.#stream = stream
    this.pingMs = stream.pingMs
  }

  readonly events = (batch: readonly JobEvent[]): string => {
    const text = batch.map((event) => this.#event(event)).join('')
    if (text !== '') this.#pings = 0
    // Node sends the headers with the first words of the body.
    const isFirst = !this.#hasWritten
    this.#hasWritten = true
    return text === '' && isFirst ? PING : text
  }

  readonly ping = (): string => {
    this.#pings += 1
    const last = this.#fold?.last
    if (last === undefined || this.#pings % PINGS_PER_KEEPALIVE !== 0) return PING
    return PING + eventText({ type: 'keepalive', sequence_number: last })
  }

  /** The response may still run. So this is no end of it, and has no number of its own. */
  readonly failure = (error: unknown): string => {
    const { code, message, param } = this.#stream.errorOf(error)
    const sequence_number = this.#fold?.last ?? -1
    return eventText({ type: 'error', sequence_number, code, message, param })
  }

  #event(event: JobEvent): string {
    const begun = this.#fold === undefined ? this.#begin(event) : []
    const all = [...begun, ...(this.#fold?.step(event) ?? [])]
    const news = all.filter(({ sequence_number }) => sequence_number > this.#stream.after)
    const end = event.kind === 'done' ? 'data: [DONE]\n\n' : ''
    return news.map(eventText).join('') + end
  }

  /** The first event of a job says when it was made. */
  #begin(event: JobEvent): ResponseEvent[] {
    if (event.kind !== 'status') return []
    const { id, echo } = this.#stream
    this.#fold = new ResponseFold({ id, createdAt: secondsOf(event.createdAt), echo })
    return this.#fold.begin()
  }
}

export const secondsOf = (ms: number | null | undefined): number => Math.floor((ms ?? 0) / 1000)

const eventText = (event: ResponseEvent): string =>
  `event: ${event.type}\ndata: ${lineJson(event)}\n\n`

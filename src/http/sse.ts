import { once } from 'node:events'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import type { Writable } from 'node:stream'
import type { JobEvent } from '../job.ts'
import type { HttpEnv } from './context.ts'

/** Proxies close a silent connection, most of them after 30 to 60 s. */
export const PING_MS = 15_000

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // A proxy that compresses or buffers the answer would hold back tokens.
  'cache-control': 'no-store, no-cache, no-transform',
  'x-accel-buffering': 'no',
}

/** How a surface writes the events of one job as text. It may keep state, because each stream has its own. */
export interface EventWriter {
  /** Empty when the surface has nothing to say about these events. */
  readonly events: (batch: readonly JobEvent[]) => string
  /** The last text of a stream that fails after it has begun. Its status 200 has been sent by then. */
  readonly failure: (error: unknown) => string
  /** A comment that keeps the connection open while no events come. */
  readonly ping: () => string
  /** How often a silent connection gets a ping: `PING_MS`, unless it is given here. */
  readonly pingMs?: number | undefined
}

/**
 * JSON for a line of a stream. Some readers take these three characters for ends of lines, among
 * them Python's `splitlines`, so they are written as escapes, which mean the same.
 */
export const lineJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u0085\u2028\u2029]/g, (end) => LINE_ENDS[end] as string)

const LINE_ENDS: Record<string, string> = {
  '\u0085': String.raw`\u0085`,
  '\u2028': String.raw`\u2028`,
  '\u2029': String.raw`\u2029`,
}

/**
 * Answers with the events of a job until it has ended. An error before the first
 * event is thrown, so that the surface can answer with the error's own status.
 */
export async function sendEvents(
  c: Context<HttpEnv>,
  batches: AsyncGenerator<readonly JobEvent[]>,
  writer: EventWriter,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { outgoing, jobId = '' } = c.env
  if (outgoing === undefined) throw new Error('events need a connection')
  const first = await batches.next()
  const all = { ...SSE_HEADERS, 'x-job-id': jobId, ...headers }
  if (c.req.method === 'HEAD') {
    await batches.return(undefined)
    return new Response(null, { headers: all })
  }
  const stream = new SseStream(outgoing, writer.ping, writer.pingMs)
  try {
    outgoing.writeHead(200, all)
    if (!first.done) await stream.send(writer.events(first.value))
    for await (const batch of batches) await stream.send(writer.events(batch))
  } catch (error) {
    await stream.send(writer.failure(error))
  } finally {
    stream.end()
    // Of a batch that could not be written, the source does not know.
    await batches.return(undefined)
  }
  return RESPONSE_ALREADY_SENT
}

/**
 * Writes server-sent events directly to Node's response. With a web stream in
 * between, each token would cost more than everything else we do for it.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class SseStream {
  readonly #outgoing: Writable
  readonly #ping: NodeJS.Timeout
  #writtenAt = performance.now()

  constructor(outgoing: Writable, ping: () => string, pingMs = PING_MS) {
    this.#outgoing = outgoing
    this.#ping = setInterval(() => {
      const isSilent = performance.now() - this.#writtenAt > pingMs / 2
      if (isSilent && outgoing.writableLength === 0) outgoing.write(ping())
    }, pingMs)
    outgoing.once('close', () => clearInterval(this.#ping))
  }

  /** Resolves when the client can take more, or has left. A slow client therefore slows down the sender. */
  async send(text: string): Promise<void> {
    if (text === '' || this.#outgoing.destroyed) return
    this.#writtenAt = performance.now()
    if (this.#outgoing.write(text)) return
    const left = new AbortController()
    const { signal } = left
    const room = [
      once(this.#outgoing, 'drain', { signal }),
      once(this.#outgoing, 'close', { signal }),
    ]
    await Promise.race(room).catch(() => {})
    left.abort()
    await Promise.allSettled(room)
  }

  end(): void {
    clearInterval(this.#ping)
    this.#outgoing.end()
  }
}

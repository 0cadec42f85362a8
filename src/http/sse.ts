import { once } from 'node:events'
import type { ServerResponse } from 'node:http'

/** Proxies close what is silent; theirs is 30 to 60 s by default. */
const PING_MS = 15_000

export const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // A proxy that compresses or collects keeps tokens back.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

/**
 * Server-sent events straight onto the response: a web stream in between would
 * cost more than all else of a token.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class SseStream {
  readonly #outgoing: ServerResponse
  readonly #ping: NodeJS.Timeout
  #writtenAt = performance.now()

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing
    this.#ping = setInterval(() => {
      const isSilent = performance.now() - this.#writtenAt > PING_MS / 2
      if (isSilent && outgoing.writableLength === 0) outgoing.write(': ping\n\n')
    }, PING_MS)
    outgoing.once('close', () => clearInterval(this.#ping))
  }

  /** Resolves when more may be sent, or nobody is there any more: a slow reader makes its sender wait. */
  async send(events: string): Promise<void> {
    if (this.#outgoing.destroyed) return
    this.#writtenAt = performance.now()
    if (this.#outgoing.write(events)) return
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

export function sseEvent(name: string, data: object, id?: string): string {
  const ofId = id === undefined ? '' : `id: ${id}\n`
  return `event: ${name}\n${ofId}data: ${JSON.stringify(data)}\n\n`
}

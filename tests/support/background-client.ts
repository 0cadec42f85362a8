import { setTimeout as delay } from 'node:timers/promises'
import type { ResponseEvent } from '../../src/http/openai/responses/response-types.ts'

/** Between two pings a gateway is silent for at most 15 s. */
const SILENT_MS = 30_000

export interface Framed {
  readonly event: ResponseEvent
  /** The text of the event as it came. */
  readonly frame: string
}

/**
 * A client of background responses that knows the contract alone. It sends its request again with
 * the same key until it knows its response, and reads the events from the last one on, on
 * whichever replica answers.
 */
export class BackgroundClient {
  readonly events: Framed[] = []
  /** Requests that were sent again because no answer came. */
  postsAgain = 0
  /** Streams that ended before the response did. */
  breaks = 0
  id: string | undefined
  readonly #urls: readonly string[]
  readonly #body: object
  readonly #key: string
  #turn: number

  constructor(urls: readonly string[], body: object, key: string, turn = 0) {
    this.#urls = urls
    this.#body = body
    this.#key = key
    this.#turn = turn
  }

  /** The number of the last event. */
  get last(): number {
    return this.events.at(-1)?.event.sequence_number ?? -1
  }

  async run(): Promise<this> {
    while (this.id === undefined) {
      const end = await this.#try(() => this.#post())
      if (end === 'done') return this
      if (end === 'broke' && this.id === undefined) this.postsAgain += 1
      else if (end === 'broke') this.breaks += 1
    }
    for (;;) {
      const end = await this.#try(() => this.#get())
      if (end === 'done') return this
      if (end === 'broke') this.breaks += 1
    }
  }

  /** All events from the first one on, as this replica tells them. */
  async replay(url: string, id = this.id): Promise<string> {
    const response = await fetch(`${url}/v1/responses/${id}?stream=true`)
    return response.text()
  }

  get #url(): string {
    return this.#urls[this.#turn % this.#urls.length] as string
  }

  /** `away`: the replica did not take the request. `broke`: it went away meanwhile. Then the next one is asked. */
  async #try(
    request: () => Promise<'done' | 'away' | 'known'>,
  ): Promise<'done' | 'away' | 'broke'> {
    let end: 'done' | 'away' | 'broke' = 'broke'
    try {
      const answer = await request()
      if (answer === 'done') return 'done'
      if (answer === 'known') return 'away'
      end = 'away'
    } catch (error) {
      if (error instanceof WrongAnswer) throw error
      if (isRefused(error)) end = 'away'
    }
    this.#turn += 1
    await delay(20)
    return end
  }

  async #post(): Promise<'done' | 'away' | 'known'> {
    const client = new AbortController()
    const response = await fetch(`${this.#url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': this.#key },
      body: JSON.stringify({ ...this.#body, background: true }),
      signal: AbortSignal.any([client.signal, AbortSignal.timeout(SILENT_MS)]),
    })
    if (response.status >= 500) return 'away'
    if (!response.ok) throw new WrongAnswer(`${response.status} ${await response.text()}`)
    const isStream = response.headers.get('content-type')?.includes('event-stream') === true
    if (isStream) return this.#read(response)
    this.id = ((await response.json()) as { id: string }).id
    return 'known'
  }

  async #get(): Promise<'done' | 'away'> {
    const from = this.last < 0 ? '' : `&starting_after=${this.last}`
    const response = await fetch(`${this.#url}/v1/responses/${this.id}?stream=true${from}`)
    if (response.status >= 500) return 'away'
    if (!response.ok) throw new WrongAnswer(`${response.status} ${await response.text()}`)
    return this.#read(response)
  }

  /** Rejects where the stream ends before the response does. */
  async #read(response: Response): Promise<'done'> {
    const decoder = new TextDecoder()
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await withinSilence(reader)
      if (done) throw new Error('the stream broke')
      const frames = (rest + decoder.decode(value, { stream: true })).split('\n\n')
      rest = frames.pop() as string
      for (const framed of frames) {
        const frame = framed.replaceAll(/^: ping\n/gm, '')
        if (frame === 'data: [DONE]') return 'done'
        this.#take(frame)
      }
    }
  }

  #take(frame: string): void {
    const event = JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? 'null') as ResponseEvent | null
    if (event === null || event.type === 'keepalive' || event.type === 'error') return
    const { response } = event as unknown as { response?: { id: string } }
    this.id ??= response?.id
    this.events.push({ event, frame })
  }
}

/** An answer that no client of the contract expects, and that no repetition makes better. */
class WrongAnswer extends Error {}

const isRefused = (error: unknown): boolean =>
  error instanceof Error && (error.cause as { code?: string } | undefined)?.code === 'ECONNREFUSED'

/** A stream without a ping hangs. */
async function withinSilence(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const timer = new AbortController()
  const silent = delay(SILENT_MS, undefined, { signal: timer.signal }).then(() => {
    throw new WrongAnswer(`a stream was silent for ${SILENT_MS} ms`)
  })
  try {
    return await Promise.race([reader.read(), silent])
  } finally {
    timer.abort()
    silent.catch(() => {})
  }
}

/** The events of a stream as one text, without what says only that it is alive. */
export const framesOf = (text: string): string[] =>
  text
    .replaceAll(/^: ping\n/gm, '')
    .split('\n\n')
    .filter((frame) => frame !== '' && !frame.startsWith('event: keepalive'))

import { onTestFinished } from 'vitest'

export interface SseEvent {
  readonly event: string
  readonly id?: string
  // The tests know what they were sent and hold each field against what they expect.
  readonly data: {
    text?: string
    status?: string
    code?: string
    outcome?: { content?: string } | null
  }
}

export interface EventReader extends AsyncIterable<SseEvent> {
  readonly status: number
  readonly headers: Headers
  /** All events, read to the end. */
  readonly all: () => Promise<SseEvent[]>
  readonly leave: () => void
}

/** A client that reads server-sent events by the rules of the specification, as far as we use them. */
export async function readEvents(url: string, init: RequestInit = {}): Promise<EventReader> {
  const client = new AbortController()
  onTestFinished(() => client.abort())
  const response = await fetch(url, { ...init, signal: client.signal })
  async function* events(): AsyncGenerator<SseEvent> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n')
      rest = blocks.pop() as string
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)))
        if (fields.event !== undefined) yield { ...fields, data: JSON.parse(fields.data as string) }
      }
    }
  }
  const iterator = events()
  return {
    status: response.status,
    headers: response.headers,
    [Symbol.asyncIterator]: () => iterator,
    all: async () => {
      const found: SseEvent[] = []
      for await (const event of iterator) found.push(event)
      return found
    },
    leave: () => client.abort(),
  }
}

/** The text a client has after these, as the contract says to put it together. */
export function textOf(events: readonly SseEvent[]): string {
  let text = ''
  for (const { event, data } of events) {
    if (event === 'restart') text = ''
    if (event === 'delta') text += data.text
  }
  return text
}

import { createParser } from 'eventsource-parser'

/** What came of one request of Codex. */
export interface CodexTurn {
  readonly id: string
  readonly text: string
  readonly thoughts: string
  /** Those that it can read. */
  readonly items: readonly Item[]
  readonly usage: object | null | undefined
  /** Events that only kept it waiting. */
  readonly keepalives: number
}

interface Item {
  readonly type: string
  readonly [field: string]: unknown
}

interface Event {
  readonly type: string
  readonly response?: {
    readonly id?: string
    readonly usage?: object | null
    readonly error?: { readonly message?: string } | null
  }
  readonly item?: Item
  readonly delta?: string
}

/** Fields without which it takes an item for none. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  message: ['role', 'content'],
  reasoning: ['summary'],
  function_call: ['call_id', 'name', 'arguments'],
}

/**
 * Reads a stream by the rules of Codex (openai/codex, `codex-api/src/sse/responses.rs` at 0a7fb0d7):
 * only events with data begin its idle timer again, comments do not; what is no JSON is passed over;
 * the end of the connection counts as the end only behind `response.completed`.
 */
export async function readAsCodex({ body }: Response, idleMs: number): Promise<CodexTurn> {
  if (body === null) throw new Error('no body')
  const turn = new Turn()
  const idle = new IdleTimer(idleMs)
  const parser = createParser({
    onEvent: ({ data }) => {
      idle.restart()
      turn.take(data)
    },
  })
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), idle.over])
      if (done) return turn.end()
      parser.feed(value)
    }
  } finally {
    idle.stop()
    await reader.cancel()
  }
}

class IdleTimer {
  /** Rejects when there was no event for so long. */
  readonly over: Promise<never>
  readonly #timer: NodeJS.Timeout

  constructor(ms: number) {
    let fail: (error: Error) => void = () => {}
    this.over = new Promise((_, reject) => (fail = reject))
    this.#timer = setTimeout(() => fail(new Error('idle timeout waiting for SSE')), ms)
  }

  restart(): void {
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

class Turn {
  #text = ''
  #thoughts = ''
  #keepalives = 0
  readonly #items: Item[] = []
  #completed: Event['response']
  #failure = 'stream closed before response.completed'

  take(data: string): void {
    const event = eventIn(data)
    const { type, item, delta = '', response } = event ?? { type: '' }
    if (type === 'response.output_item.done' && item && isReadable(item)) this.#items.push(item)
    if (type === 'response.output_text.delta') this.#text += delta
    if (type === 'response.reasoning_text.delta') this.#thoughts += delta
    if (type === 'response.completed' && response?.id) this.#completed = response
    if (type === 'response.failed') this.#failure = response?.error?.message ?? type
    if (type === 'keepalive') this.#keepalives += 1
  }

  end(): CodexTurn {
    const { id, usage } = this.#completed ?? {}
    if (id === undefined) throw new Error(this.#failure)
    const [text, thoughts, keepalives] = [this.#text, this.#thoughts, this.#keepalives]
    return { id, text, thoughts, items: this.#items, usage, keepalives }
  }
}

function eventIn(data: string): Event | undefined {
  try {
    return JSON.parse(data) as Event
  } catch {
    return undefined
  }
}

const isReadable = (item: Item): boolean =>
  NEEDED[item.type]?.every((name) => item[name] !== undefined) ?? true

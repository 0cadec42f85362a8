import { expect } from 'vitest'
import type {
  Item,
  ResponseEvent,
  ResponseObject,
} from '../../src/http/openai/responses/response-types.ts'

/** The fields of each event beside `type` and `sequence_number`. */
const AT = ['item_id', 'output_index', 'content_index']
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'response.created': ['response'],
  'response.queued': ['response'],
  'response.in_progress': ['response'],
  'response.completed': ['response'],
  'response.incomplete': ['response'],
  'response.failed': ['response'],
  'response.output_item.added': ['output_index', 'item'],
  'response.output_item.done': ['output_index', 'item'],
  'response.content_part.added': [...AT, 'part'],
  'response.content_part.done': [...AT, 'part'],
  'response.output_text.delta': [...AT, 'delta', 'logprobs'],
  'response.output_text.done': [...AT, 'text', 'logprobs'],
  'response.refusal.delta': [...AT, 'delta'],
  'response.refusal.done': [...AT, 'refusal'],
  'response.reasoning_text.delta': [...AT, 'delta'],
  'response.reasoning_text.done': [...AT, 'text'],
  'response.function_call_arguments.delta': ['item_id', 'output_index', 'delta'],
  'response.function_call_arguments.done': ['item_id', 'output_index', 'arguments', 'name'],
}

const TERMINAL = new Set(['response.completed', 'response.incomplete', 'response.failed'])
const STATUS: Readonly<Record<string, readonly string[]>> = {
  'response.completed': ['completed'],
  'response.incomplete': ['incomplete'],
  'response.failed': ['failed', 'cancelled'],
  'response.in_progress': ['in_progress'],
  'response.queued': ['queued'],
  'response.created': ['queued', 'in_progress'],
}
const PREFIX: Readonly<Record<string, string>> = {
  message: 'msg_',
  reasoning: 'rs_',
  function_call: 'fc_',
}

interface Part {
  readonly type: string
  said: string
  isDone: boolean
}
interface Made {
  readonly added: Item
  readonly parts: Part[]
  arguments: string
  areArgumentsDone: boolean
  done: Item | undefined
}
interface Content {
  readonly type: string
  readonly text?: string
  readonly refusal?: string
}

/**
 * Reads a stream as the strictest client does, which throws where an item is not the one that
 * was added, and checks that all deltas together are the text that the ends of parts, items and
 * the response repeat.
 */
export class ResponseReader {
  readonly #ids = new Set<string>()
  #items: Made[] = []
  #events = 0
  #hasEnded = false

  read(events: readonly ResponseEvent[]): this {
    for (const event of events) this.#event(event)
    return this
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  #event(event: ResponseEvent): void {
    const { type, sequence_number: number } = event
    expect(this.#hasEnded).toBe(false)
    expect(number).toBe(this.#events)
    if (number === 0) expect(type).toBe('response.created')
    this.#events += 1
    const { response } = event as unknown as { response?: ResponseObject }
    const fields = ['type', 'sequence_number', ...(FIELDS[type] ?? ['a known type'])]
    expect([type, Object.keys(event).toSorted()]).toEqual([type, fields.toSorted()])
    if (response !== undefined) this.#lifecycle(type, response)
    else this.#itemEvent(event)
  }

  #lifecycle(type: string, response: ResponseObject): void {
    expect(STATUS[type]).toContain(response.status)
    expect(response.completed_at === null || type === 'response.completed').toBe(true)
    expect(response.error !== null).toBe(response.status === 'failed')
    expect(response.incomplete_details !== null).toBe(response.status === 'incomplete')
    if (!TERMINAL.has(type)) {
      expect(response.output).toEqual([])
      this.#items = []
      return
    }
    this.#hasEnded = true
    const isFailed = type === 'response.failed'
    expect(response.output.map(({ id }) => id)).toEqual(this.#items.map(({ added }) => added.id))
    for (const [at, item] of response.output.entries()) {
      const made = this.#items[at] as Made
      this.#checkItem(made, item)
      if (made.done !== undefined) expect(item).toEqual(made.done)
      else expect([isFailed, item.status]).toEqual([true, 'incomplete'])
    }
  }

  #itemEvent(event: ResponseEvent): void {
    const index = event.output_index as number
    const item = event.item as Item | undefined
    if (event.type === 'response.output_item.added') return this.#add(index, item as Item)
    const made = this.#items[index] as Made
    expect(made).toBeDefined()
    expect(made.done).toBeUndefined()
    if (event.type === 'response.output_item.done') return this.#end(made, item as Item)
    expect(event.item_id).toBe(made.added.id)
    if (event.type.startsWith('response.function_call_arguments')) this.#arguments(made, event)
    else if (event.type.startsWith('response.content_part')) this.#part(made, event)
    else this.#text(made, event)
  }

  #add(index: number, added: Item): void {
    expect(index).toBe(this.#items.length)
    expect(this.#ids.has(added.id)).toBe(false)
    this.#ids.add(added.id)
    expect(added.id).toMatch(new RegExp(`^${PREFIX[added.type]}.`))
    expect(added.status).toBe('in_progress')
    if (added.type === 'function_call') {
      expect(added.call_id).toMatch(/./)
      const calls = this.#items.map(({ added: { call_id: id } }) => id)
      expect(calls).not.toContain(added.call_id)
      expect(added.arguments).toBe('')
    } else expect(added.content).toEqual([])
    this.#items.push({
      added,
      parts: [],
      arguments: '',
      areArgumentsDone: false,
      done: undefined,
    })
  }

  #end(made: Made, done: Item): void {
    expect(['completed', 'incomplete']).toContain(done.status)
    expect(made.parts.every(({ isDone }) => isDone)).toBe(true)
    if (done.type === 'function_call') expect(made.areArgumentsDone).toBe(true)
    else expect(made.parts.length).toBeGreaterThan(0)
    this.#checkItem(made, done)
    made.done = done
  }

  #checkItem({ added, parts, arguments: said }: Made, item: Item): void {
    const { type, id, call_id: callId, name, role } = added
    expect(item).toMatchObject({ type, id })
    expect([item.call_id, item.name, item.role]).toEqual([callId, name, role])
    if (type === 'function_call') return expect(item.arguments).toBe(said)
    const contents = item.content as readonly Content[]
    expect(contents.map(saidIn)).toEqual(parts.map((part) => [part.type, part.said]))
  }

  #arguments(made: Made, event: ResponseEvent): void {
    expect([made.added.type, made.areArgumentsDone]).toEqual(['function_call', false])
    if (event.type.endsWith('.delta')) made.arguments += event.delta as string
    else {
      made.areArgumentsDone = true
      expect([event.arguments, event.name]).toEqual([made.arguments, made.added.name])
    }
  }

  #part(made: Made, event: ResponseEvent): void {
    const part = event.part as Content
    const index = event.content_index as number
    expect(made.added.type).toBe(part.type === 'reasoning_text' ? 'reasoning' : 'message')
    if (event.type.endsWith('.added')) {
      expect(made.parts.every(({ isDone }) => isDone)).toBe(true)
      expect(index).toBe(made.parts.length)
      expect(saidIn(part)).toEqual([part.type, ''])
      made.parts.push({ type: part.type, said: '', isDone: false })
      return
    }
    const open = made.parts[index] as Part
    expect(open.isDone).toBe(false)
    expect(saidIn(part)).toEqual([open.type, open.said])
    open.isDone = true
  }

  #text(made: Made, event: ResponseEvent): void {
    const part = made.parts[event.content_index as number] as Part
    expect([event.type.split('.')[1], part.isDone]).toEqual([part.type, false])
    if (event.type.endsWith('.delta')) {
      expect(event.delta).toMatch(/^./s)
      part.said += event.delta as string
    } else expect(event.text ?? event.refusal).toBe(part.said)
  }
}

const saidIn = ({ type, text, refusal }: Content): unknown[] => [type, text ?? refusal]

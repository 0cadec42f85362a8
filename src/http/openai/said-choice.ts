import { elementsOf, membersOf, sourceAt } from '../../json-source.ts'
import { partsOf } from './responses/answer-parts.ts'
import { isObject } from './json-fields.ts'
import { SaidCalls, restOfLegacyCall } from './said-calls.ts'
import type { ChunkKind } from './chunk.ts'
import type { Fields } from './json-fields.ts'

/** Two names of the same. A client that has one of them has the other as well. */
const SAME: Readonly<Record<string, string>> = {
  reasoning: 'reasoning_content',
  reasoning_content: 'reasoning',
}

/** What the client has of one choice, so that the rest can be taken from the whole answer. */
export class SaidChoice {
  #text = ''
  #thoughts = ''
  #hasParts = false
  readonly #texts = new Map<string, string>()
  readonly #others = new Set<string>()
  readonly #calls = new SaidCalls()
  readonly #legacyCall = new SaidCalls()
  readonly #logprobs = new Map<string, number>()

  add(delta: Fields, logprobs?: unknown): void {
    for (const [name, value] of Object.entries(delta)) {
      if (name === 'content') this.#addContent(value)
      else if (name === 'tool_calls') this.#calls.add(value)
      else if (name === 'function_call') {
        if (isObject(value)) this.#legacyCall.add([{ function: value }])
      } else if (typeof value === 'string') {
        if (name !== 'role') this.#texts.set(name, (this.#texts.get(name) ?? '') + value)
      } else if (value !== null && value !== undefined) this.#others.add(name)
    }
    for (const [name, list] of Object.entries(isObject(logprobs) ? logprobs : {})) {
      if (!Array.isArray(list)) continue
      this.#logprobs.set(name, (this.#logprobs.get(name) ?? 0) + list.length)
    }
  }

  /**
   * A chunk with what the client lacks of the whole choice; '' where it lacks nothing. Undefined
   * where the client has something else.
   */
  restOf(choice: string, index: number, kind: ChunkKind): string | undefined {
    const rest =
      kind === 'chat'
        ? this.#restOfMessage(sourceAt(choice, ['message']) ?? '{}')
        : this.#restOfText(JSON.parse(sourceAt(choice, ['text']) ?? 'null') as unknown)
    if (rest === undefined) return undefined
    const logprobs = this.#restOfLogprobs(sourceAt(choice, ['logprobs']))
    if (rest.length === 0 && logprobs === 'null') return ''
    const said = kind === 'chat' ? `"delta":{${rest.join(',')}}` : (rest[0] ?? '"text":""')
    return `{"choices":[{"index":${index},${said},"logprobs":${logprobs},"finish_reason":null}]}`
  }

  #addContent(content: unknown): void {
    // What is no text is a list of parts, of which some are thoughts.
    const { text, reasoning } = partsOf({ content }, undefined)
    this.#text += text
    this.#thoughts += reasoning
    if (typeof content !== 'string' && content !== null) this.#hasParts = true
  }

  #restOfText(text: unknown): string[] | undefined {
    const whole = typeof text === 'string' ? text : ''
    if (!whole.startsWith(this.#text)) return undefined
    const rest = whole.slice(this.#text.length)
    return rest === '' ? [] : [`"text":${JSON.stringify(rest)}`]
  }

  /** The members of a delta. */
  #restOfMessage(message: string): string[] | undefined {
    const members = membersOf(message)
    const rest: string[] = []
    for (const [name, source] of members) {
      const value = this.#restOfMember(name, source)
      if (value === undefined) return undefined
      if (value !== '') rest.push(`${JSON.stringify(name)}:${value}`)
    }
    const lacks = (name: string): boolean => (members.get(name) ?? 'null') === 'null'
    const isOther =
      (lacks('content') && this.#text + this.#thoughts !== '') ||
      (lacks('tool_calls') && !this.#calls.areNone) ||
      (lacks('function_call') && !this.#legacyCall.areNone) ||
      [...this.#texts].some(
        ([name, said]) => said !== '' && lacks(name) && lacks(SAME[name] ?? name),
      )
    return isOther ? undefined : rest
  }

  /** A JSON text; '' where the client has it. Undefined where it has something else. */
  #restOfMember(name: string, source: string): string | undefined {
    if (name === 'role' || source === 'null') return ''
    if (name === 'content') return this.#restOfContent(JSON.parse(source) as unknown)
    if (name === 'tool_calls' && source.startsWith('[')) {
      const calls = this.#calls.restOf(source)
      return calls === undefined || calls.length === 0 ? calls && '' : `[${calls.join(',')}]`
    }
    if (name === 'function_call' && source.startsWith('{')) {
      return restOfLegacyCall(this.#legacyCall, source)
    }
    if (!source.startsWith('"')) return this.#others.has(name) ? '' : source
    const said = this.#texts.get(name) ?? this.#texts.get(SAME[name] ?? name) ?? ''
    const whole = JSON.parse(source) as string
    if (!whole.startsWith(said)) return undefined
    return whole === said ? '' : JSON.stringify(whole.slice(said.length))
  }

  #restOfContent(content: unknown): string | undefined {
    const { text, reasoning } = partsOf({ content }, undefined)
    if (!text.startsWith(this.#text) || !reasoning.startsWith(this.#thoughts)) return undefined
    const [left, thoughts] = [text.slice(this.#text.length), reasoning.slice(this.#thoughts.length)]
    if (left + thoughts === '') return ''
    if (!this.#hasParts && typeof content === 'string') return JSON.stringify(left)
    const textPart = (said: string) => ({ type: 'text', text: said })
    return JSON.stringify([
      ...(thoughts === '' ? [] : [{ type: 'thinking', thinking: [textPart(thoughts)] }]),
      ...(left === '' ? [] : [textPart(left)]),
    ])
  }

  #restOfLogprobs(source: string | undefined): string {
    if (!source?.startsWith('{')) return 'null'
    const lists = [...membersOf(source)].flatMap(([name, list]) => {
      if (!list.startsWith('[')) return []
      const rest = elementsOf(list).slice(this.#logprobs.get(name) ?? 0)
      return rest.length === 0 ? [] : [`${JSON.stringify(name)}:[${rest.join(',')}]`]
    })
    return lists.length === 0 ? 'null' : `{${lists.join(',')}}`
  }
}

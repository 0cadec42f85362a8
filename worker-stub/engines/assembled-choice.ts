import { elementsOf } from '../../src/json-source.ts'
import { AssembledCalls, mergeCalled } from './assembled-calls.ts'
import { MergedFields, isNothing, objectOf } from './merged-fields.ts'
import { isObject } from './upstream/error-text.ts'
import type { SourceAt } from './assembled-calls.ts'

type Fields = Readonly<Record<string, unknown>>

/** One choice of an answer, put together of its chunks. Each `add` returns by how many characters it has grown. */
export class AssembledChoice {
  readonly index: number
  readonly #isChat: boolean
  readonly #fields = new MergedFields()
  readonly #message = new MergedFields()
  readonly #calls = new AssembledCalls()
  readonly #legacyCall = new MergedFields()
  readonly #audio = new MergedFields()
  /** Of a content that is a list: its parts as JSON texts. The text behind the last one is still open. */
  #parts: string[] | undefined
  #text = ''
  readonly #logprobs = new Map<string, string[]>()
  #hasMore = false
  #isEmpty = true

  constructor(index: number, isChat: boolean) {
    this.index = index
    this.#isChat = isChat
  }

  /** It says more than its text. */
  get hasMore(): boolean {
    return this.#hasMore
  }

  add(choice: Fields, sourceAt: SourceAt): number {
    let grown = 0
    const { delta, message } = choice
    const ofDelta = isObject(delta) ? Object.entries(delta).filter(saysMoreThanRole) : []
    // Some engines send a whole message: it counts where no delta said anything.
    const isWhole = this.#isEmpty && ofDelta.length === 0 && isObject(message)
    for (const [name, value] of Object.entries(choice)) {
      const at: SourceAt = (...path) => sourceAt(name, ...path)
      if (name === 'index') continue
      if (name === 'delta' || name === 'message') {
        const counts = name === 'delta' || isWhole
        if (counts && isObject(value)) grown += this.#addMessage(value, at)
      } else if (name === 'text' && typeof value === 'string') grown += this.#addText(value)
      else if (name === 'logprobs' && isObject(value)) grown += this.#addLogprobs(value, at)
      else grown += this.#fields.replace(name, value, at)
    }
    return grown
  }

  json(): string {
    const said = this.#isChat
      ? (['message', this.#messageJson()] as const)
      : (['text', JSON.stringify(this.#text)] as const)
    const lists = [...this.#logprobs].map(([name, all]) => [name, `[${all.join(',')}]`] as const)
    const logprobs = lists.length === 0 ? [] : ([['logprobs', objectOf(lists)]] as const)
    const fields = this.#fields.sources()
    if (logprobs.length > 0) fields.delete('logprobs')
    if (!fields.has('finish_reason')) fields.set('finish_reason', 'null')
    return objectOf([['index', String(this.index)], said, ...logprobs, ...fields])
  }

  #addMessage(message: Fields, sourceAt: SourceAt): number {
    let grown = 0
    for (const [name, value] of Object.entries(message)) {
      const at: SourceAt = (...path) => sourceAt(name, ...path)
      if (saysMoreThanRole([name, value])) this.#isEmpty = false
      if (name !== 'role' && name !== 'content' && !isNothing(value)) this.#hasMore = true
      grown += this.#addField(name, value, at)
    }
    return grown
  }

  #addField(name: string, value: unknown, at: SourceAt): number {
    switch (name) {
      case 'role':
        return this.#message.keep(name, value, at)
      case 'content':
        return this.#addContent(value, at)
      case 'tool_calls':
        return this.#addCalls(value, at)
      case 'function_call':
        return isObject(value) ? mergeCalled(this.#legacyCall, value, 'arguments', at) : 0
      case 'audio':
        return isObject(value) ? this.#addAudio(value, at) : 0
      default:
        return this.#message.append(name, value, at)
    }
  }

  #addContent(value: unknown, at: SourceAt): number {
    if (typeof value === 'string') return this.#addText(value)
    if (value === null || value === undefined) return this.#message.replace('content', value, at)
    this.#hasMore = true
    const parts = Array.isArray(value) ? elementsOf(at()) : [at()]
    this.#parts = [...this.#closedParts(), ...parts]
    this.#text = ''
    return parts.reduce((sum, { length }) => sum + length, 0)
  }

  #addText(text: string): number {
    this.#text += text
    this.#message.replace('content', '', () => '')
    return text.length
  }

  #closedParts(): string[] {
    const text = this.#text === '' ? [] : [JSON.stringify({ type: 'text', text: this.#text })]
    return [...(this.#parts ?? []), ...text]
  }

  #addCalls(value: unknown, at: SourceAt): number {
    if (!Array.isArray(value)) return 0
    return value.reduce(
      (sum: number, piece: unknown, index) =>
        isObject(piece) ? sum + this.#calls.add(piece, (...path) => at(index, ...path)) : sum,
      0,
    )
  }

  #addAudio(audio: Fields, at: SourceAt): number {
    return Object.entries(audio).reduce((sum, [name, value]) => {
      const sourceOf = () => at(name)
      const grows = name === 'data' || name === 'transcript'
      return (
        sum +
        (grows
          ? this.#audio.append(name, value, sourceOf)
          : this.#audio.replace(name, value, sourceOf))
      )
    }, 0)
  }

  /** Each chunk has the lists of its own tokens. */
  #addLogprobs(logprobs: Fields, at: SourceAt): number {
    let grown = 0
    for (const [name, list] of Object.entries(logprobs)) {
      if (!Array.isArray(list)) continue
      const all = this.#logprobs.get(name) ?? []
      this.#logprobs.set(name, all)
      for (const entry of elementsOf(at(name))) {
        this.#hasMore = true
        all.push(entry)
        grown += entry.length
      }
    }
    return grown
  }

  #messageJson(): string {
    const fields = this.#message.sources()
    const { role = '"assistant"', content = 'null', ...more } = Object.fromEntries(fields)
    const text = content === 'null' && this.#text === '' ? content : JSON.stringify(this.#text)
    const parts = this.#parts && `[${this.#closedParts().join(',')}]`
    const called = this.#legacyCall.sources()
    const audio = this.#audio.sources()
    return objectOf([
      ['role', role],
      ['content', parts ?? text],
      ...Object.entries(more),
      ...(this.#calls.areNone ? [] : ([['tool_calls', this.#calls.json()]] as const)),
      ...(called.size === 0 ? [] : ([['function_call', objectOf(called)]] as const)),
      ...(audio.size === 0 ? [] : ([['audio', objectOf(audio)]] as const)),
    ])
  }
}

const saysMoreThanRole = ([name, value]: readonly [string, unknown]): boolean =>
  name !== 'role' && !isNothing(value)

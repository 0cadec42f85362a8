import { isNothing } from './merged-fields.ts'
import { choicesOf, finishReasonOf, isBroken } from './upstream/choices.ts'
import { isObject } from './upstream/error-text.ts'
import { UpstreamFailure, badAnswer, notOfTheApi } from './upstream/failure.ts'
import { MAX_CHARACTERS } from './upstream/sse.ts'
import type { Outcome, Usage } from '../../src/job.ts'

/** What a model may generate beside text, by the fields that carry it. */
const OTHER_KINDS = {
  reasoning: ['reasoning_content', 'reasoning', 'reasoning_details', 'thinking'],
  'tool calls': ['tool_calls', 'function_call'],
  'a refusal': ['refusal'],
  audio: ['audio'],
} as const
/** Ends of an answer that has no text, but not because the model had nothing to say. */
const CUT = new Set(['length', 'max_tokens', 'content_filter', 'tool_calls', 'function_call'])

type Succeeded = Extract<Outcome, { kind: 'succeeded' }>

/** Collects the text of a chat completion from its chunks, or from the whole, and passes it on. */
export class Completion {
  readonly #onDelta: (text: string) => void
  readonly #others = new Set<string>()
  #content = ''
  #sawChoice = false
  #finishReason: string | undefined
  /** Of any choice: half an answer beside whole ones is none either. */
  #brokenBy: string | undefined
  #model: string | undefined
  #usage: Usage | undefined

  constructor(onDelta: (text: string) => void) {
    this.#onDelta = onDelta
  }

  add(json: unknown): this {
    if (!isObject(json)) throw notOfTheApi()
    const isOther = json.choices !== undefined && json.choices !== null && !choicesOf(json)
    if (isOther) throw notOfTheApi()
    if (typeof json.model === 'string') this.#model = json.model
    this.#usage = usageOf(json.usage) ?? this.#usage
    for (const choice of choicesOf(json) ?? []) {
      this.#sawChoice = true
      const reason = finishReasonOf(choice)
      if (reason !== undefined && isBroken(reason)) this.#brokenBy ??= reason
      // Of several answers the text is that of the first.
      if (isObject(choice) && (choice.index ?? 0) === 0) this.#choice(choice)
    }
    return this
  }

  /** Throws an `UpstreamFailure` where this is no answer. `needsText`: tool calls alone are none. */
  outcome({ needsText = true } = {}): Succeeded {
    const reason = this.#finishReason
    if (!this.#sawChoice) throw notOfTheApi()
    if (this.#brokenBy !== undefined) {
      const why = this.#brokenBy.slice(0, 100)
      throw badAnswer(`the upstream ended the answer early (finish reason: ${why})`)
    }
    if (needsText && this.#isEmpty()) throw this.#emptyAnswer()
    return {
      kind: 'succeeded',
      content: this.#content,
      ...(reason !== undefined && { finishReason: reason }),
      ...(this.#model !== undefined && { model: this.#model }),
      ...(this.#usage !== undefined && { usage: this.#usage }),
    }
  }

  #choice(choice: Readonly<Record<string, unknown>>): void {
    this.#finishReason = finishReasonOf(choice) ?? this.#finishReason
    const delta = isObject(choice.delta) ? choice.delta : {}
    const message = isObject(choice.message) ? choice.message : {}
    for (const part of [delta, message]) this.#noteOthers(part)
    // Some servers repeat the whole text as a message in their last chunk.
    const repeated = this.#content === '' ? message.content : undefined
    // The older completions have the text itself.
    const text = this.#textOf(choice.text ?? delta.content ?? repeated)
    if (text === '') return
    this.#content += text
    if (this.#content.length > MAX_CHARACTERS) {
      throw badAnswer(`the answer is longer than ${MAX_CHARACTERS} characters`)
    }
    this.#onDelta(text)
  }

  /** The text of a content, which is a string, one part or a list of parts. */
  #textOf(content: unknown): string {
    if (typeof content === 'string') return content
    if (Array.isArray(content)) return content.map((part) => this.#textOf(part)).join('')
    if (!isObject(content)) return ''
    const { type = 'text', text } = content
    if (type === 'text' || type === 'output_text') {
      return typeof text === 'string' ? text : isObject(text) ? this.#textOf(text.value) : ''
    }
    this.#others.add(type === 'thinking' ? 'reasoning' : 'other parts')
    return ''
  }

  #noteOthers(part: Readonly<Record<string, unknown>>): void {
    for (const [kind, fields] of Object.entries(OTHER_KINDS)) {
      if (fields.some((field) => !isNothing(part[field]))) this.#others.add(kind)
    }
  }

  #isEmpty(): boolean {
    if (this.#content === '') return this.#others.size > 0 || CUT.has(this.#finishReason ?? '')
    return this.#others.size > 0 && this.#content.trim() === ''
  }

  #emptyAnswer(): UpstreamFailure {
    const others = this.#others.size > 0 ? [...this.#others].join(' and ') : 'nothing'
    const reason = this.#finishReason?.slice(0, 100) ?? 'none'
    const message = `the answer has no text: the model generated ${others} (finish reason: ${reason})`
    return new UpstreamFailure('empty_answer', message)
  }
}

/** Undefined where a counter is missing: a part of a usage is none, and no reason to lose an answer. */
function usageOf(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = usage
  if (typeof promptTokens !== 'number' || typeof completionTokens !== 'number') return undefined
  return { promptTokens, completionTokens }
}

import { membersOf, sourceAt } from '../../src/json-source.ts'
import { MAX_RESULT_BYTES } from '../../src/redis/record/values.ts'
import { AssembledChoice } from './assembled-choice.ts'
import { MergedFields, objectOf } from './merged-fields.ts'
import { choicesOf } from './upstream/choices.ts'
import { isObject } from './upstream/error-text.ts'

/** What of a result is neither its content nor its body. */
const ENVELOPE_BYTES = 4_096

/**
 * The answer that the chunks of a stream are pieces of, as the engine would have sent it whole.
 * A client can lack chunks: a write to Redis failed, or another worker ended the job. Then the
 * gateway takes the rest from here. What is no text keeps its source text.
 */
export class AssembledAnswer {
  readonly #isChat: boolean
  readonly #choices = new Map<number, AssembledChoice>()
  /** The last chunk of those with the same fields, the last one last: its other fields are in none of them. */
  readonly #chunks = new Map<string, string>()
  #length = 0

  constructor(endpoint: string) {
    this.#isChat = endpoint.endsWith('/chat/completions')
  }

  add(json: unknown, source: string): void {
    if (!isObject(json) || this.#isTooLong) return
    const names = Object.keys(json).filter((name) => json[name] !== null)
    const fields = names.join('\n')
    this.#chunks.delete(fields)
    this.#chunks.set(fields, source)
    for (const [at, choice] of (choicesOf(json) ?? []).entries()) {
      if (!isObject(choice)) continue
      const index = typeof choice.index === 'number' ? choice.index : at
      const assembled = this.#choices.get(index) ?? new AssembledChoice(index, this.#isChat)
      this.#choices.set(index, assembled)
      this.#length += assembled.add(
        choice,
        (...path) => sourceAt(source, ['choices', at, ...path]) ?? 'null',
      )
    }
  }

  /**
   * The answer as JSON text, beside this content. Undefined where the content says all of it,
   * and where both together would make a result that the gateway does not read.
   */
  body(content: string): string | undefined {
    if (!this.#hasMore || this.#isTooLong) return undefined
    const choices = [...this.#choices.values()].toSorted((a, b) => a.index - b.index)
    const fields = this.#topFields()
    const object = JSON.stringify(this.#isChat ? 'chat.completion' : 'text_completion')
    const all = `[${choices.map((choice) => choice.json()).join(',')}]`
    const body = objectOf(new Map([...fields, ['object', object], ['choices', all]]))
    const bytes = Buffer.byteLength(JSON.stringify(content)) + Buffer.byteLength(body)
    return bytes + ENVELOPE_BYTES <= MAX_RESULT_BYTES ? body : undefined
  }

  get #isTooLong(): boolean {
    return this.#length > MAX_RESULT_BYTES
  }

  get #hasMore(): boolean {
    return [...this.#choices.values()].some(({ index, hasMore }) => index !== 0 || hasMore)
  }

  #topFields(): Map<string, string> {
    const fields = new MergedFields()
    for (const source of this.#chunks.values()) {
      for (const [name, value] of membersOf(source)) {
        if (name === 'choices') continue
        fields.replace(name, value === 'null' ? null : {}, () => value)
      }
    }
    return fields.sources()
  }
}

import { RESPONSE_PREFIX, isResponse } from '../../../job.ts'
import { CallItem } from './call-item.ts'
import { ContentItem } from './output-items.ts'
import { OutputCalls } from './output-calls.ts'
import type { AnswerParts } from './answer-parts.ts'
import type { ItemStatus, OutputItem, PartKind, Place, Step } from './output-items.ts'
import type { Item } from './response-types.ts'

/**
 * The output of one attempt. One message or one piece of reasoning is open at a time, and ends
 * where something else begins.
 */
export class ResponseOutput {
  /** What every id of this output ends with. */
  readonly #suffix: string
  readonly #items: OutputItem[] = []
  readonly #contents: ContentItem[] = []
  readonly #calls = new OutputCalls((call) => this.#openCall(call))
  readonly #callIds = new Set<string>()
  #isEmpty = true

  /** No two outputs of one response have the same attempt. */
  constructor(responseId: string, attempt: number) {
    const name = isResponse({ id: responseId })
      ? responseId.slice(RESPONSE_PREFIX.length)
      : responseId
    this.#suffix = `${name}_${attempt}`
  }

  /** Nothing has been said. */
  get isEmpty(): boolean {
    return this.#isEmpty
  }

  say(parts: AnswerParts): Step[] {
    const steps = this.#sayContent(parts)
    for (const piece of parts.calls) {
      this.#isEmpty = false
      steps.push(...this.#calls.add(piece))
    }
    return steps
  }

  /** Whether the whole answer begins with what has been said. */
  isBeginOf({ reasoning, text, refusal, calls }: AnswerParts): boolean {
    return (
      reasoning.startsWith(this.said('reasoning_text')) &&
      text.startsWith(this.said('output_text')) &&
      refusal.startsWith(this.said('refusal')) &&
      this.#calls.areBeginOf(calls)
    )
  }

  /** Says what is missing of a whole answer that begins with what has been said. */
  complete(whole: AnswerParts): Step[] {
    const steps = this.#sayContent({
      ...whole,
      reasoning: whole.reasoning.slice(this.said('reasoning_text').length),
      text: whole.text.slice(this.said('output_text').length),
      logprobs: whole.logprobs.slice(this.#contents.reduce((sum, item) => sum + item.logprobs, 0)),
      refusal: whole.refusal.slice(this.said('refusal').length),
    })
    return [...steps, ...this.#calls.complete(whole.calls)]
  }

  /** All that has been said of one kind, in the order of the items. */
  said(kind: PartKind): string {
    return this.#contents.map((item) => item.textOf(kind)).join('')
  }

  /** Ends what is open. Only the last item can be one that the engine did not finish. */
  end(last: ItemStatus): Step[] {
    const steps = this.#calls.end()
    for (const [at, item] of this.#items.entries()) {
      if (item.hasEnded) continue
      steps.push(...item.end(at === this.#items.length - 1 ? last : 'completed'))
    }
    return steps
  }

  /** Every item, also those that are open. */
  items(ofOpen: ItemStatus): Item[] {
    return this.#items.map((item) => item.as(ofOpen))
  }

  endedItems(): Item[] {
    return this.#items.filter(({ hasEnded }) => hasEnded).map((item) => item.as('completed'))
  }

  #sayContent({ reasoning, text, logprobs, refusal }: AnswerParts): Step[] {
    if (reasoning + text + refusal !== '') this.#isEmpty = false
    const steps: Step[] = []
    if (reasoning !== '') {
      const { item, steps: begun } = this.#content('reasoning')
      steps.push(...begun, ...item.add('reasoning_text', reasoning))
    }
    if (text !== '') {
      const { item, steps: begun } = this.#content('message')
      steps.push(...begun, ...item.add('output_text', text, logprobs))
    }
    if (refusal !== '') {
      const { item, steps: begun } = this.#content('message')
      steps.push(...begun, ...item.add('refusal', refusal))
    }
    return steps
  }

  /** The open item if it is of this kind, else another one. */
  #content(kind: ContentItem['kind']): { item: ContentItem; steps: Step[] } {
    const open = this.#contents.at(-1)
    if (open?.kind === kind && !open.hasEnded) return { item: open, steps: [] }
    const steps = this.#endContent()
    const item = new ContentItem(kind, this.#place(kind === 'message' ? 'msg' : 'rs'))
    this.#contents.push(item)
    this.#items.push(item)
    return { item, steps: [...steps, ...item.begin()] }
  }

  #openCall({ id, name }: { id: string; name: string }): { item: CallItem; steps: Step[] } {
    const steps = this.#endContent()
    const place = this.#place('fc')
    // Readers take two items with one id for the same call.
    const isFree = id !== '' && !this.#callIds.has(id)
    const callId = isFree ? id : `call_${this.#suffix}_${place.index}`
    this.#callIds.add(callId)
    const item = new CallItem(place, { callId, name })
    this.#items.push(item)
    return { item, steps: [...steps, ...item.begin()] }
  }

  #endContent(): Step[] {
    const open = this.#contents.at(-1)
    return open === undefined || open.hasEnded ? [] : open.end('completed')
  }

  #place(prefix: string): Place {
    const index = this.#items.length
    return { id: `${prefix}_${this.#suffix}_${index}`, index }
  }
}

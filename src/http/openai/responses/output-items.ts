import type { Logprob } from './answer-parts.ts'
import type { Item } from './response-types.ts'

/** An event that has no number yet. */
export interface Step {
  readonly type: string
  readonly [field: string]: unknown
}

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

/** Where an item lies in the output, and how it is named there. */
export interface Place {
  readonly id: string
  readonly index: number
}

/** An item while it is made. Each of its methods gives the events that say so. */
export interface OutputItem {
  begin(): Step[]
  end(status: ItemStatus): Step[]
  /** As it is now. It is `status` where it has not ended. */
  as(status: ItemStatus): Item
  readonly hasEnded: boolean
}

/** The item's events of the whole of it. */
export const itemStep = (step: 'added' | 'done', { index }: Place, item: Item): Step => ({
  type: `response.output_item.${step}`,
  output_index: index,
  item,
})

export type PartKind = 'output_text' | 'refusal' | 'reasoning_text'

interface Part {
  readonly kind: PartKind
  text: string
  readonly logprobs: Logprob[]
}

/** A message or a piece of reasoning: a list of parts, of which the last one may be open. */
export class ContentItem implements OutputItem {
  readonly kind: 'message' | 'reasoning'
  readonly #place: Place
  readonly #parts: Part[] = []
  #ended: ItemStatus | undefined

  constructor(kind: 'message' | 'reasoning', place: Place) {
    this.kind = kind
    this.#place = place
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  begin(): Step[] {
    return [itemStep('added', this.#place, this.as('in_progress'))]
  }

  /** Continues the open part, or begins another one where that is of another kind. */
  add(kind: PartKind, delta: string, logprobs: readonly Logprob[] = []): Step[] {
    const steps: Step[] = []
    let part = this.#parts.at(-1)
    if (part?.kind !== kind) {
      steps.push(...this.#endPart())
      part = { kind, text: '', logprobs: [] }
      this.#parts.push(part)
      steps.push(this.#partStep('added', part))
    }
    part.text += delta
    for (const logprob of logprobs) part.logprobs.push(logprob)
    const more = kind === 'output_text' ? { logprobs } : {}
    steps.push({ type: `response.${kind}.delta`, ...this.#at(), delta, ...more })
    return steps
  }

  end(status: ItemStatus): Step[] {
    const steps = this.#endPart()
    this.#ended = status
    return [...steps, itemStep('done', this.#place, this.as(status))]
  }

  as(status: ItemStatus): Item {
    const { id } = this.#place
    const content = this.#parts.map(partOf)
    const common = { id, status: this.#ended ?? status, content }
    return this.kind === 'message'
      ? { type: 'message', ...common, role: 'assistant' }
      : { type: 'reasoning', ...common, summary: [] }
  }

  /** The text of all its parts of one kind. */
  textOf(kind: PartKind): string {
    return this.#parts.map((part) => (part.kind === kind ? part.text : '')).join('')
  }

  get logprobs(): number {
    return this.#parts.reduce((sum, { logprobs }) => sum + logprobs.length, 0)
  }

  #endPart(): Step[] {
    const part = this.#parts.at(-1)
    if (part === undefined) return []
    const { kind, text, logprobs } = part
    const said = kind === 'refusal' ? { refusal: text } : { text }
    const more = kind === 'output_text' ? { logprobs } : {}
    return [
      { type: `response.${kind}.done`, ...this.#at(), ...said, ...more },
      this.#partStep('done', part),
    ]
  }

  #partStep(step: 'added' | 'done', part: Part): Step {
    return { type: `response.content_part.${step}`, ...this.#at(), part: partOf(part) }
  }

  /** Of the last part. */
  #at(): object {
    const { id, index } = this.#place
    return { item_id: id, output_index: index, content_index: this.#parts.length - 1 }
  }
}

function partOf({ kind, text, logprobs }: Part): object {
  if (kind === 'refusal') return { type: kind, refusal: text }
  if (kind === 'reasoning_text') return { type: kind, text }
  return { type: kind, text, annotations: [], logprobs: [...logprobs] }
}

import { MergedFields, objectOf } from './merged-fields.ts'
import { isObject } from './upstream/error-text.ts'

type Fields = Readonly<Record<string, unknown>>
/** The source text of a value in a chunk, by its path from the piece on. */
export type SourceAt = (...path: readonly (string | number)[]) => string

/** What a call holds beside its own fields, and which text of that comes in pieces. */
const CALLED: Readonly<Record<string, string>> = { function: 'arguments', custom: 'input' }

/** Merges a piece of what is called: its name comes once, one of its texts in pieces. */
export function mergeCalled(
  fields: MergedFields,
  piece: Fields,
  grows: string,
  sourceAt: SourceAt,
): number {
  let grown = 0
  for (const [name, value] of Object.entries(piece)) {
    const sourceOf = () => sourceAt(name)
    if (name === grows) grown += fields.append(name, value, sourceOf)
    else if (name === 'name') grown += fields.keep(name, value, sourceOf)
    else grown += fields.replace(name, value, sourceOf)
  }
  return grown
}

/** A call of a tool that comes in pieces. */
class AssembledCall {
  readonly id: string
  /** Its place among the others, as far as the engine says one. */
  readonly order: number
  readonly #fields = new MergedFields()
  readonly #called = new Map<string, MergedFields>()

  constructor(id: string, order: number) {
    this.id = id
    this.order = order
  }

  add(piece: Fields, sourceAt: SourceAt): number {
    let grown = 0
    for (const [name, value] of Object.entries(piece)) {
      if (name === 'index') continue
      const grows = Object.hasOwn(CALLED, name) ? CALLED[name] : undefined
      if (grows !== undefined && isObject(value)) {
        const called = this.#called.get(name) ?? new MergedFields()
        this.#called.set(name, called)
        grown += mergeCalled(called, value, grows, (...path) => sourceAt(name, ...path))
      } else if (name === 'id' || name === 'type') {
        grown += this.#fields.keep(name, value, () => sourceAt(name))
      } else grown += this.#fields.replace(name, value, () => sourceAt(name))
    }
    return grown
  }

  json(): string {
    const called = [...this.#called].map(([name, fields]) => [name, fields.json()] as const)
    return objectOf([...this.#fields.sources(), ...called])
  }
}

/** The tool calls of one choice, put together of their pieces. */
export class AssembledCalls {
  readonly #calls: AssembledCall[] = []
  readonly #byIndex = new Map<number, AssembledCall>()

  get areNone(): boolean {
    return this.#calls.length === 0
  }

  add(piece: Fields, sourceAt: SourceAt): number {
    const { index } = piece
    const call = this.#find(piece) ?? this.#begin(piece)
    if (typeof index === 'number') this.#byIndex.set(index, call)
    return call.add(piece, sourceAt)
  }

  /** In the order of their numbers. */
  json(): string {
    const inOrder = this.#calls.toSorted((a, b) => a.order - b.order)
    return `[${inOrder.map((call) => call.json()).join(',')}]`
  }

  /** As the gateway finds the call of a piece. */
  #find({ index, id, function: called }: Fields): AssembledCall | undefined {
    const name = isObject(called) ? called.name : undefined
    const known = isText(id) ? this.#calls.findLast((call) => call.id === id) : undefined
    if (typeof index !== 'number') {
      if (isText(id)) return known
      // Without a number, a name begins a call, and the rest continues the last one.
      return isText(name) ? undefined : this.#calls.at(-1)
    }
    const call = this.#byIndex.get(index)
    // Some engines give each of several whole calls the number 0.
    const isOther = isText(id) && isText(name) && call !== undefined && call.id !== id
    return isOther && call.id !== '' ? known : call
  }

  #begin({ index, id }: Fields): AssembledCall {
    const order = typeof index === 'number' ? index : this.#calls.length
    const call = new AssembledCall(isText(id) ? id : '', order)
    this.#calls.push(call)
    return call
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

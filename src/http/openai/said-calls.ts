import { elementsOf, sourceAt, withMembers } from '../../json-source.ts'
import { isObject } from './json-fields.ts'
import type { Fields } from './json-fields.ts'

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** What a call holds, and the text of it that comes in pieces. */
const CALLED = { function: 'arguments', custom: 'input' } as const
type Kind = keyof typeof CALLED

interface Piece {
  readonly index: number | undefined
  readonly id: string
  readonly kind: Kind
  readonly name: string
  readonly text: string
}

interface SaidCall {
  readonly index: number
  id: string
  name: string
  text: string
}

/** The tool calls of one choice as far as the client has them. */
export class SaidCalls {
  readonly #calls: SaidCall[] = []

  get areNone(): boolean {
    return this.#calls.length === 0
  }

  add(calls: unknown): void {
    for (const call of Array.isArray(calls) ? calls : []) {
      if (isObject(call)) this.#add(pieceOf(call))
    }
  }

  /** What the client lacks of the whole calls, as pieces of calls. Undefined where it has other calls. */
  restOf(source: string): string[] | undefined {
    const whole = elementsOf(source).filter((call) => call.startsWith('{'))
    const pieces = whole.map((call) => pieceOf(JSON.parse(call) as Fields))
    const said = this.#counterparts(pieces)
    if (said.filter((call) => call !== undefined).length < this.#calls.length) return undefined
    const rest = whole.map((call, at) => {
      const known = said[at]
      return known ? restOfCall(known, pieces[at] as Piece) : this.#wholeCall(call, at)
    })
    return rest.includes(undefined) ? undefined : rest.filter((one): one is string => one !== '')
  }

  #add(piece: Piece): void {
    let call = this.#find(piece)
    if (call === undefined) {
      call = { index: piece.index ?? this.#calls.length, id: piece.id, name: '', text: '' }
      this.#calls.push(call)
    }
    if (call.id === '') call.id = piece.id
    if (call.name === '') call.name = piece.name
    call.text += piece.text
  }

  #find({ index, id, name }: Piece): SaidCall | undefined {
    const byId = id === '' ? undefined : this.#calls.find((call) => call.id === id)
    if (index === undefined) return id !== '' ? byId : name === '' ? this.#calls.at(-1) : undefined
    const call = this.#calls.findLast((one) => one.index === index)
    // Some engines give each of several whole calls the number 0.
    const isOther = id !== '' && name !== '' && call !== undefined && call.id !== id
    return isOther && call.id !== '' ? byId : call
  }

  /** The call that the client has of each whole one: the same id, else the same place. */
  #counterparts(whole: readonly Piece[]): readonly (SaidCall | undefined)[] {
    const left = new Set(this.#calls)
    const take = (isIt: (call: SaidCall) => boolean): SaidCall | undefined => {
      const found = [...left].find(isIt)
      if (found !== undefined) left.delete(found)
      return found
    }
    return whole
      .map(({ id }) => take((call) => id !== '' && call.id === id))
      .map((found, at) => found ?? take(({ index }) => index === at))
      .map((found) => found ?? take(() => true))
  }

  #wholeCall(call: string, at: number): string {
    const taken = this.#calls.map(({ index }) => index)
    const index = taken.includes(at) ? Math.max(...taken) + 1 + at : at
    return withMembers(call, { index: String(index) })
  }
}

/** The same for the older call of a function, which is the only one. */
export function restOfLegacyCall(said: SaidCalls, source: string): string | undefined {
  const rest = said.restOf(`[{"function":${source}}]`)
  if (rest === undefined) return undefined
  const [piece] = rest
  return piece === undefined ? '' : sourceAt(piece, ['function'])
}

function restOfCall(said: SaidCall, { id, kind, name, text }: Piece): string | undefined {
  const isSame = (a: string, b: string): boolean => a === '' || b === '' || a === b
  if (!isSame(said.id, id) || !isSame(said.name, name) || !text.startsWith(said.text)) {
    return undefined
  }
  const rest = text.slice(said.text.length)
  const isNamed = said.name !== '' || name === ''
  if (rest === '' && isNamed) return ''
  const called = { ...(!isNamed && { name }), [CALLED[kind]]: rest }
  const more = said.id === '' && id !== '' ? { id } : {}
  return JSON.stringify({ index: said.index, ...more, [kind]: called })
}

function pieceOf({ index, id, ...call }: Fields): Piece {
  const kind: Kind = isObject(call.custom) ? 'custom' : 'function'
  const called = call[kind]
  const { name, ...texts } = isObject(called) ? called : {}
  const given = texts[CALLED[kind]] ?? ''
  return {
    index: typeof index === 'number' ? index : undefined,
    id: textOf(id),
    kind,
    name: textOf(name),
    text: typeof given === 'string' ? given : JSON.stringify(given),
  }
}

import type { CallItem } from './call-item.ts'
import type { CallPiece } from './answer-parts.ts'
import type { Step } from './output-items.ts'

/** Opens an item for a call, and gives what is to be told of it. */
export type OpenCall = (call: { id: string; name: string }) => { item: CallItem; steps: Step[] }

interface Call {
  /** As the engine said it; '' where it has said none. */
  readonly id: string
  name: string
  arguments: string
  /** Undefined until the engine has named the function: an item needs the name from its start. */
  item: CallItem | undefined
}

/** Finds the call that a piece belongs to. */
export class OutputCalls {
  readonly #open: OpenCall
  readonly #calls: Call[] = []
  readonly #byIndex = new Map<number | 'legacy', Call>()
  readonly #byId = new Map<string, Call>()

  constructor(open: OpenCall) {
    this.#open = open
  }

  add(piece: CallPiece): Step[] {
    const call = this.#find(piece) ?? this.#begin(piece)
    if (piece.index !== undefined) this.#byIndex.set(piece.index, call)
    if (call.name === '') call.name = piece.name
    return this.#more(call, piece.arguments)
  }

  /** Of a call whose function never got a name, too. */
  end(): Step[] {
    return this.#calls.flatMap((call) => (call.item === undefined ? this.#begun(call) : []))
  }

  /** Whether the whole calls begin with what has been said of them. */
  areBeginOf(whole: readonly CallPiece[]): boolean {
    const said = this.#counterparts(whole)
    const pairs = whole.flatMap((piece, at) => {
      const call = said[at]
      return call === undefined ? [] : [{ piece, call }]
    })
    return (
      pairs.length === this.#calls.length &&
      pairs.every(({ piece, call }) => {
        const isSameId = call.id === '' || piece.id === '' || call.id === piece.id
        const isSameName = call.name === '' || call.name === piece.name
        return isSameId && isSameName && piece.arguments.startsWith(call.arguments)
      })
    )
  }

  /** Says what is missing of the whole calls. */
  complete(whole: readonly CallPiece[]): Step[] {
    const said = this.#counterparts(whole)
    return whole.flatMap((piece, at) => {
      const call = said[at] ?? this.#begin(piece)
      if (call.name === '') call.name = piece.name
      return this.#more(call, piece.arguments.slice(call.arguments.length))
    })
  }

  /**
   * What has been said of each whole call: the call with its id, else the one at its place. An
   * engine may begin its second call before the first one.
   */
  #counterparts(whole: readonly CallPiece[]): readonly (Call | undefined)[] {
    const left = new Set(this.#calls)
    const take = (call: Call | undefined): Call | undefined =>
      call !== undefined && left.delete(call) ? call : undefined
    return whole
      .map(({ id }) => (id === '' ? undefined : take([...left].find((call) => call.id === id))))
      .map((call, at) => call ?? take(this.#byIndex.get(at)))
      .map((call) => call ?? take([...left][0]))
  }

  #find({ index, id, name }: CallPiece): Call | undefined {
    if (index === undefined) {
      if (id !== '') return this.#byId.get(id)
      // Without a number, a name begins a call, and the rest continues the last one.
      return name === '' ? this.#calls.at(-1) : undefined
    }
    const call = this.#byIndex.get(index)
    // Some engines give each of several whole calls the number 0.
    const isOther = id !== '' && name !== '' && call !== undefined && call.id !== id
    return isOther && call.id !== '' ? this.#byId.get(id) : call
  }

  #begin({ id, name }: CallPiece): Call {
    const call: Call = { id, name, arguments: '', item: undefined }
    this.#calls.push(call)
    if (id !== '') this.#byId.set(id, call)
    return call
  }

  #more(call: Call, delta: string): Step[] {
    call.arguments += delta
    if (call.item !== undefined) return call.item.add(delta)
    return call.name === '' ? [] : this.#begun(call)
  }

  #begun(call: Call): Step[] {
    const { item, steps } = this.#open(call)
    call.item = item
    return [...steps, ...item.add(call.arguments)]
  }
}

/**
 * The content of the first choice as the client has it. When the worker was replaced, the next
 * attempt must say all of it again before it can go on.
 */
export class SaidText {
  #text = ''
  /** How much of the text the attempt that is read now has said. */
  #repeated = 0

  get isEmpty(): boolean {
    return this.#text === ''
  }

  /** The attempt that is read now has not yet said what the client has. */
  get isBehind(): boolean {
    return this.#repeated < this.#text.length
  }

  /** Another attempt begins from the start. */
  restart(): void {
    this.#repeated = 0
  }

  /** What of the next piece the client does not have. Undefined where the attempts differ. */
  next(piece: string): string | undefined {
    // The usual case, in which the whole text need not be looked at.
    if (!this.isBehind) {
      this.#text += piece
      this.#repeated = this.#text.length
      return piece
    }
    if (this.#text.startsWith(piece, this.#repeated)) {
      this.#repeated += piece.length
      return ''
    }
    const rest = this.#text.slice(this.#repeated)
    if (!piece.startsWith(rest)) return undefined
    const news = piece.slice(rest.length)
    this.#text += news
    this.#repeated = this.#text.length
    return news
  }

  /** What of the whole content the client does not have. Undefined where it has another one. */
  restOf(content: string): string | undefined {
    return content.startsWith(this.#text) ? content.slice(this.#text.length) : undefined
  }
}

/** A text is no longer, whatever its pattern asks for. */
const MAX_LENGTH = 10_000

/** One character of each class, and what an escape stands for. */
const ESCAPES: Readonly<Record<string, string>> = {
  d: '0',
  D: 'a',
  w: 'a',
  W: '-',
  s: ' ',
  S: 'a',
  n: '\n',
  r: '\r',
  t: '\t',
}

/**
 * A text that a regular expression accepts; undefined where it has something that is not known
 * here, such as a lookahead. `repeats`: so often comes what may come any number of times. The
 * expression is read and never run: a client's expression may take hours for a text that it
 * does not accept.
 */
export function textOfPattern(pattern: string, repeats: number): string | undefined {
  try {
    return new PatternReader(pattern, repeats).text()
  } catch (error) {
    if (error instanceof UnknownPattern) return undefined
    throw error
  }
}

class UnknownPattern extends Error {
  override readonly name = 'UnknownPattern'
}

class PatternReader {
  readonly #pattern: readonly string[]
  readonly #repeats: number
  #at = 0

  constructor(pattern: string, repeats: number) {
    this.#pattern = Array.from(pattern)
    this.#repeats = repeats
  }

  text(): string {
    const text = this.#alternatives()
    if (this.#at < this.#pattern.length) throw new UnknownPattern()
    return text
  }

  #next(): string {
    const character = this.#pattern[this.#at]
    if (character === undefined) throw new UnknownPattern()
    this.#at += 1
    return character
  }

  #takes(text: string): boolean {
    const isNext = Array.from(text).every((one, at) => this.#pattern[this.#at + at] === one)
    if (isNext) this.#at += text.length
    return isNext
  }

  /** Any branch fits the pattern, so the first one is taken. */
  #alternatives(): string {
    const first = this.#sequence()
    while (this.#takes('|')) this.#sequence()
    return first
  }

  #sequence(): string {
    let text = ''
    while (!['|', ')', undefined].includes(this.#pattern[this.#at])) {
      const piece = this.#piece()
      const count = this.#count()
      if (text.length + piece.length * count > MAX_LENGTH) throw new UnknownPattern()
      text += piece.repeat(count)
    }
    return text
  }

  #piece(): string {
    const character = this.#next()
    switch (character) {
      case '^':
      case '$':
        return ''
      case '.':
        return 'a'
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '\\':
        return this.#escaped()
      case '*':
      case '+':
      case '?':
        throw new UnknownPattern()
      default:
        return character
    }
  }

  #group(): string {
    if (this.#takes('?') && !this.#takes(':')) {
      // A name. Lookbehinds begin in the same way.
      if (!this.#takes('<') || this.#takes('=') || this.#takes('!')) throw new UnknownPattern()
      while (this.#next() !== '>');
    }
    const text = this.#alternatives()
    if (!this.#takes(')')) throw new UnknownPattern()
    return text
  }

  #class(): string {
    const isNegated = this.#takes('^')
    const start = this.#at
    const first = this.#next()
    if (first === ']') throw new UnknownPattern()
    const member = first === '\\' ? this.#escaped() : first
    for (let one = ''; one !== ']'; one = this.#next()) if (one === '\\') this.#next()
    if (!isNegated) return member
    const members = this.#pattern.slice(start, this.#at).join('')
    // One character against one class takes no time.
    const others = new RegExp(`[^${members}`, 'u')
    const found = ['a', 'A', '0', ' ', '-', '_', 'é'].find((one) => others.test(one))
    if (found === undefined) throw new UnknownPattern()
    return found
  }

  #escaped(): string {
    const character = this.#next()
    const known = ESCAPES[character]
    if (known !== undefined) return known
    // Further letters and numbers have meanings of their own: word boundaries, earlier groups.
    if (/[\da-z]/i.test(character)) throw new UnknownPattern()
    return character
  }

  /** How often the piece before comes. */
  #count(): number {
    const [least, most] = this.#bounds()
    // Whether it takes many or few does not matter here.
    if (least !== 1 || most !== 1) this.#takes('?')
    return Math.min(most, Math.max(least, this.#repeats))
  }

  #bounds(): readonly [number, number] {
    if (this.#takes('*')) return [0, Infinity]
    if (this.#takes('+')) return [1, Infinity]
    if (this.#takes('?')) return [0, 1]
    if (!this.#takes('{')) return [1, 1]
    let text = ''
    for (let one = this.#next(); one !== '}'; one = this.#next()) text += one
    const [, least, comma, most] = /^(\d+)(,?)(\d*)$/.exec(text) ?? []
    if (least === undefined) throw new UnknownPattern()
    const upper = comma === '' ? least : most === '' ? Infinity : most
    return [Number(least), Number(upper)]
  }
}

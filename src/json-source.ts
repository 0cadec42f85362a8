/**
 * Parts of a JSON text as their source text. A body that a client sent must reach its engine
 * as it was: through `JSON.parse`, 9007199254740993 becomes another number, `1.0` becomes `1`,
 * and of two members with one name the first is lost. So the body is never built again. What
 * the gateway owns is cut out of the text and put in.
 *
 * All functions expect a text that `JSON.parse` accepts, and do not check that again.
 */

/** Where a value lies in the text: from its first character to behind its last. */
interface Place {
  readonly start: number
  readonly end: number
}

interface Member extends Place {
  readonly name: string
  /** Where its name begins. */
  readonly at: number
}

/** The members of an object by name, as source text; of two with one name the last, as `JSON.parse` does. */
export function membersOf(text: string): Map<string, string> {
  const members = readMembers(text, blankEnd(text, 0))
  return new Map(members.map(({ name, start, end }) => [name, text.slice(start, end)]))
}

/** The elements of an array, as source text. */
export function elementsOf(text: string): string[] {
  return readElements(text, blankEnd(text, 0)).map(({ start, end }) => text.slice(start, end))
}

/** The object with these members set to a source text, or removed where that is undefined. */
export function withMembers(
  text: string,
  changes: Readonly<Record<string, string | undefined>>,
): string {
  const kept = readMembers(text, blankEnd(text, 0))
    .filter(({ name }) => !Object.hasOwn(changes, name))
    .map(({ at, end }) => text.slice(at, end))
  const set = Object.entries(changes).flatMap(([name, value]) =>
    value === undefined ? [] : [`${JSON.stringify(name)}:${value}`],
  )
  return `{${[...kept, ...set].join(',')}}`
}

/** The source text of the value at a path of names and indexes; undefined where there is none. */
export function sourceAt(text: string, path: readonly (string | number)[]): string | undefined {
  const place = placeAt(text, path)
  return place && text.slice(place.start, place.end)
}

/** The text with another source text for the value at the path, which must exist. */
export function withSourceAt(
  text: string,
  path: readonly (string | number)[],
  value: string,
): string {
  const place = placeAt(text, path)
  if (place === undefined) throw new Error(`there is no value at ${path.join('.')}`)
  return text.slice(0, place.start) + value + text.slice(place.end)
}

function placeAt(text: string, path: readonly (string | number)[]): Place | undefined {
  let start = blankEnd(text, 0)
  for (const step of path) {
    const found =
      typeof step === 'number'
        ? text[start] === '[' && readElements(text, start)[step]
        : text[start] === '{' && readMembers(text, start).findLast(({ name }) => name === step)
    if (!found) return undefined
    start = found.start
  }
  return { start, end: valueEnd(text, start) }
}

function readMembers(text: string, open: number): Member[] {
  const members: Member[] = []
  let at = blankEnd(text, open + 1)
  while (text[at] !== '}') {
    const nameEnd = stringEnd(text, at)
    const start = blankEnd(text, blankEnd(text, nameEnd) + 1)
    const end = valueEnd(text, start)
    members.push({ name: JSON.parse(text.slice(at, nameEnd)) as string, at, start, end })
    at = nextItem(text, end)
  }
  return members
}

function readElements(text: string, open: number): Place[] {
  const elements: Place[] = []
  let start = blankEnd(text, open + 1)
  while (text[start] !== ']') {
    const end = valueEnd(text, start)
    elements.push({ start, end })
    start = nextItem(text, end)
  }
  return elements
}

/** Where the next member or element begins, or the bracket that closes. */
function nextItem(text: string, end: number): number {
  const at = blankEnd(text, end)
  return text[at] === ',' ? blankEnd(text, at + 1) : at
}

function blankEnd(text: string, start: number): number {
  let at = start
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1
  return at
}

const BRACKET_OR_QUOTE = /["{}[\]]/g
const LITERAL_END = /[\s,\]}]|$/g

function valueEnd(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return stringEnd(text, start)
  if (first !== '{' && first !== '[') {
    LITERAL_END.lastIndex = start
    return LITERAL_END.exec(text)?.index ?? text.length
  }
  let depth = 0
  let at = start
  for (;;) {
    BRACKET_OR_QUOTE.lastIndex = at
    const found = BRACKET_OR_QUOTE.exec(text)
    if (found === null) return text.length
    at = found.index + 1
    if (found[0] === '"') at = stringEnd(text, found.index)
    else depth += found[0] === '{' || found[0] === '[' ? 1 : -1
    if (depth === 0) return at
  }
}

function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    if (quote < 0) return text.length
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1
    if (backslashes % 2 === 0) return quote + 1
  }
}

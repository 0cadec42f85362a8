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

/** What members become: this source text, their own or else the usual one, or nothing. */
export type Changes = Readonly<Record<string, string | { readonly usual: string } | undefined>>

/** The object with these members changed. They come behind the others, in the order of the changes. */
export function withMembers(text: string, changes: Changes): string {
  const members = readMembers(text, blankEnd(text, 0))
  // Every chunk of a stream passes here, so the object is put together without lists.
  let made = ''
  for (const { name, at, end } of members) {
    if (!Object.hasOwn(changes, name)) made += `,${text.slice(at, end)}`
  }
  for (const name of Object.keys(changes)) {
    const change = changes[name]
    const value =
      typeof change === 'object' ? (valueOf(text, members, name) ?? change.usual) : change
    if (value !== undefined) made += `,${JSON.stringify(name)}:${value}`
  }
  return `{${made.slice(1)}}`
}

/** Of two members with one name the last. */
function valueOf(text: string, members: readonly Member[], name: string): string | undefined {
  const member = members.findLast((one) => one.name === name)
  return member && text.slice(member.start, member.end)
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
    members.push({ name: nameIn(text.slice(at, nameEnd)), at, start, end })
    at = nextItem(text, end)
  }
  return members
}

/** A name without escapes is its own source text between the quotes. */
const nameIn = (quoted: string): string =>
  quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1)

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

const LITERAL_END = /[\s,\]}]|$/g

function valueEnd(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return stringEnd(text, start)
  if (first !== '{' && first !== '[') {
    LITERAL_END.lastIndex = start
    return LITERAL_END.exec(text)?.index ?? text.length
  }
  return nestedEnd(text, start)
}

const [QUOTE, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x22, 0x5b, 0x5d, 0x7b, 0x7d]

/** Behind the bracket that closes the one at `start`. */
function nestedEnd(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at) - 1
    else if (code === OPEN_OBJECT || code === OPEN_LIST) depth += 1
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) depth -= 1
    if (depth === 0) return at + 1
  }
  return text.length
}

function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    if (quote < 0) return text.length
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1
    if (backslashes % 2 === 0) return quote + 1
  }
}

import { pickOf } from './random.ts'

const LITERALS = [
  '1.0',
  '-0',
  '1e400',
  '9007199254740993',
  '0.10',
  '-1E-7',
  'true',
  'false',
  'null',
  '12',
]
const STRINGS = [
  '',
  'x',
  'ä\u2028',
  '\\u0000',
  '\\"]}{[',
  '\\\\',
  '\\ud800',
  'reasoned',
  '💡',
  'a\u0085b',
]
const NAMES = ['a', '__proto__', 'constructor', 'a', 'x.y', '', '\\u0061', 'ö', 'toString', '0']
const BLANKS = ['', ' ', '\n', '\t ', '\r\n']

/** Random JSON text, with all that a parser that builds it again would change. */
export function randomJson(random: () => number) {
  const pick = pickOf(random)
  const blank = (): string => (random() < 0.2 ? pick(BLANKS) : '')
  const some = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, make)
  const string = (): string => `"${some(3, () => pick(STRINGS)).join('')}"`
  const object = (members: readonly string[]): string =>
    `{${blank()}${members.join(`${blank()},${blank()}`)}${blank()}}`
  const member = (name: string, value: string): string =>
    `"${name}"${blank()}:${blank()}${value}${blank()}`
  const value = (depth = 0): string => {
    const kind = random()
    if (depth > 3 || kind < 0.45) return pick(LITERALS)
    if (kind < 0.65) return string()
    if (kind < 0.8) return `[${blank()}${some(4, () => value(depth + 1)).join(`${blank()},`)}]`
    return object(some(4, () => member(pick(NAMES), value(depth + 1))))
  }
  const extras = (): string[] => some(5, () => member(pick(NAMES), value()))
  /** In any order. */
  const shuffled = <T>(all: readonly T[]): T[] =>
    all
      .map((one) => [random(), one] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, one]) => one)
  return { pick, some, string, object, member, value, extras, shuffled }
}

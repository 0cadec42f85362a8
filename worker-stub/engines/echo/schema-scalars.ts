import { textOfPattern } from './pattern-text.ts'
import type { Fields } from './request-fields.ts'

/** A text is no longer, unless its schema asks for that. */
const USUAL_LENGTH = 200
/** No text is padded to more. */
const MAX_LENGTH = 10_000
/** What a pattern lets repeat is repeated no more often. */
const MAX_REPEATS = 100

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-01T00:00:00Z',
  date: '2026-01-01',
  time: '00:00:00Z',
  duration: 'P1D',
  email: 'echo@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

/** The words, as long as the schema wants them, or a text of its format or pattern; undefined where it knows none. */
export function stringFor(schema: Fields, words: string, variant: number): string | undefined {
  const { minLength = 0, maxLength = Infinity, format, pattern } = schema
  const [least, most] = [Number(minLength), Number(maxLength)]
  if (least > most || least > MAX_LENGTH) return undefined
  const fixed = Object.hasOwn(FORMATS, String(format)) ? FORMATS[String(format)] : undefined
  if (fixed === undefined && typeof pattern === 'string') {
    return patterned(pattern, variant, (length) => length >= least && length <= most)
  }
  const text = variant === 0 ? words : `${variant} ${words}`
  const characters = Array.from(fixed ?? text).slice(
    0,
    Math.min(most, Math.max(least, USUAL_LENGTH)),
  )
  while (characters.length < least) characters.push('.')
  return characters.join('')
}

/** The shortest texts first: the bounds of the length may ask for more repetitions. */
function patterned(
  pattern: string,
  variant: number,
  fits: (length: number) => boolean,
): string | undefined {
  const texts = new Set<string>()
  for (let repeats = 0; repeats <= MAX_REPEATS && texts.size <= variant; repeats += 1) {
    const text = textOfPattern(pattern, repeats)
    if (text === undefined) return undefined
    if (fits(Array.from(text).length)) texts.add(text)
  }
  return [...texts].at(variant) ?? [...texts].at(-1)
}

/** A number within the bounds; undefined where there is none. */
export function numberFor(schema: Fields, variant: number): number | undefined {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = schema
  const low = Math.max(bound(minimum, -Infinity), bound(above, -Infinity))
  const high = Math.min(bound(maximum, Infinity), bound(below, Infinity))
  const fits = (value: number): boolean =>
    value >= low && value <= high && value !== above && value !== below
  const isInteger = schema.type === 'integer' || [schema.type].flat().includes('integer')
  const step = typeof schema.multipleOf === 'number' ? schema.multipleOf : isInteger ? 1 : undefined
  if (step === undefined) return between(low, high, variant, fits)
  const values = multiples(step, low, high)
  return values.filter((value) => fits(value) && (!isInteger || Number.isInteger(value)))[variant]
}

const bound = (value: unknown, usual: number): number => (typeof value === 'number' ? value : usual)

/** Some multiples: from the step itself on, or from the bound that is nearest to it, and then those below. */
function multiples(step: number, low: number, high: number): number[] {
  const start = Math.max(Math.ceil(low / step), Math.min(1, Math.floor(high / step)))
  const up = Array.from({ length: 1_000 }, (_, at) => start + at)
  const down = Array.from({ length: 1_000 }, (_, at) => start - 1 - at)
  // The addition makes 0 of -0.
  return [...up, ...down].map((factor) => factor * step + 0)
}

function between(
  low: number,
  high: number,
  variant: number,
  fits: (value: number) => boolean,
): number | undefined {
  const isOpen = high - low === Infinity
  const open =
    low > -Infinity ? low + 1 + variant : high < Infinity ? high - 1 - variant : 1 + variant
  const value = isOpen ? open : low + ((high - low) * (variant + 1)) / (variant + 2)
  return fits(value) ? value : undefined
}

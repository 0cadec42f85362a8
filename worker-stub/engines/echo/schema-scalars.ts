import type { Fields } from './request-fields.ts'

/** A text is no longer, unless its schema asks for that. */
const USUAL_LENGTH = 200
/** No text is padded to more. */
const MAX_LENGTH = 10_000

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

/** The words, as long as the schema wants them; undefined where they do not fit it. */
export function stringFor(schema: Fields, words: string, variant: number): string | undefined {
  const { minLength = 0, maxLength = Infinity, format, pattern } = schema
  const [least, most] = [Number(minLength), Number(maxLength)]
  if (least > most || least > MAX_LENGTH) return undefined
  const fixed = FORMATS[String(format)]
  const text = variant === 0 ? words : `${variant} ${words}`
  const characters = Array.from(fixed ?? text).slice(
    0,
    Math.min(most, Math.max(least, USUAL_LENGTH)),
  )
  while (characters.length < least) characters.push('.')
  const value = characters.join('')
  return typeof pattern === 'string' && !matches(pattern, value) ? undefined : value
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return false
  }
}

/** A number within the bounds, the smallest one where there is a step; undefined where there is none. */
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

/** The first 1,000 multiples from the lower bound on, or from the upper one down. */
function multiples(step: number, low: number, high: number): number[] {
  const isDown = low === -Infinity && high < step
  const start = isDown ? Math.floor(high / step) : low === -Infinity ? 1 : Math.ceil(low / step)
  // The addition makes 0 of -0.
  return Array.from({ length: 1_000 }, (_, at) => (start + (isDown ? -at : at)) * step + 0)
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

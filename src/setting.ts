import * as v from 'valibot'

/** Building blocks of settings: each begins as the text of a variable. No message carries a value. */

/** What a parser finds wrong, in words that follow the name of the variable. */
export class Problem {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

/** A schema made of a function that reads a text or says what is wrong with it. */
export const parsedBy = <T>(parse: (value: string) => T | Problem) =>
  v.pipe(
    v.string(),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const parsed = parse(dataset.value)
      if (!(parsed instanceof Problem)) return parsed
      addIssue({ message: parsed.message })
      return NEVER
    }),
  )

/** Control characters, line breaks, marks that have no width. The two joiners are letters of some scripts. */
const INVISIBLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u

export const isVisible = (value: string): boolean => !INVISIBLE.test(value)
/** A shell takes quotes away. `docker run --env-file` and manifests keep them. */
export const isInQuotes = (value: string): boolean => /^(["'])[^]*\1$/.test(value)

export const EMPTY = 'must not be empty'
export const BLANKS_AROUND = 'must not have blanks or line breaks around it'
export const UNSEEN = 'must not contain line breaks or other characters that cannot be seen'
export const QUOTED = 'must not be in quotes: they would be part of the value'

const visible = v.check<string, string>(isVisible, UNSEEN)

/** A word or a number: what stands around it is a fault of the file that it came from. */
const plain = v.pipe(
  v.string(),
  v.check((value) => value === value.trim(), BLANKS_AROUND),
  v.check((value) => !/^["']|["']$/.test(value), QUOTED),
)

export const text = v.pipe(plain, v.minLength(1, EMPTY), visible)

/** The bytes that AMQP has for a name. */
export const NAME_BYTES = 255
export const bytesOf = (value: string): number => new TextEncoder().encode(value).length

export const queueName = v.pipe(
  text,
  v.check((value) => bytesOf(value) <= NAME_BYTES, `must have at most ${NAME_BYTES} bytes`),
)

export const number = (min: number, max: number) =>
  v.pipe(
    plain,
    v.regex(/^\d+(\.\d+)?$/, 'must be a decimal number such as 300 or 0.5'),
    v.transform(Number),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  )

export const integer = (min: number, max: number) =>
  v.pipe(
    plain,
    v.regex(/^\d+$/, 'must be a whole number such as 300'),
    v.transform(Number),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  )

export const flag = v.pipe(
  plain,
  v.toLowerCase(),
  v.picklist(['true', 'false', '1', '0'], 'must be true or false'),
  v.transform((value) => value === 'true' || value === '1'),
)

/** One of these words; `described` says which. */
export const oneOf = <const T extends readonly string[]>(words: T, described: string) =>
  v.pipe(plain, v.picklist(words, described))

export const queueList = v.pipe(
  v.string(),
  v.transform((value) => value.split(',').map((item) => item.trim())),
  v.transform((items) => items.filter((item) => item !== '')),
  v.array(queueName),
)

/** Keys are built from it, and glob characters or braces in a key mean something to Redis. */
export const prefix = v.pipe(
  text,
  v.regex(/^[^*?[\]{}\\\s]+$/, 'must not contain * ? [ ] { } \\ or blanks'),
)

/** As it is, without the line break at its end that a file or a command leaves there. */
export const password = parsedBy((value) => {
  const secret = value.replace(/^[\r\n]+|[\r\n]+$/g, '')
  if (secret === '') return new Problem(EMPTY)
  if (!isVisible(secret)) return new Problem(UNSEEN)
  return isInQuotes(secret)
    ? new Problem(`${QUOTED}. Quotes that belong to a password are written %22 or %27 in a URL`)
    : secret
})

/** What can be sent in a header of HTTP, without the blanks around it. */
export const headerValue = parsedBy((value) => {
  const secret = value.trim()
  if (secret === '') return new Problem(EMPTY)
  if (isInQuotes(secret)) return new Problem(QUOTED)
  if (!isVisible(secret)) return new Problem(UNSEEN)
  return /^[\x20-\xff]+$/.test(secret)
    ? secret
    : new Problem('must have no letters outside Latin-1, because it is sent in a header of HTTP')
})

import * as v from 'valibot'

/** Building blocks of settings: every one begins as the text of a variable. No message carries a value. */
export const text = v.pipe(v.string(), v.minLength(1, 'must not be empty'))

export const number = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d+(\.\d+)?$/, 'must be a decimal number such as 300 or 0.5'),
    v.transform(Number),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  )

export const integer = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d+$/, 'must be a whole number such as 300'),
    v.transform(Number),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  )

export const flag = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.picklist(['true', 'false', '1', '0'], 'must be true or false'),
  v.transform((value) => value === 'true' || value === '1'),
)

export const url = (...schemes: string[]) =>
  v.pipe(
    v.string(),
    v.check(
      (value) => schemes.includes(value.split('://')[0] ?? '') && URL.canParse(value),
      `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    ),
    v.check(hasReadableLogin, 'must have a login in which % is written as %25'),
  )

/** The drivers decode it when they are made, and fail there over a % that stands for itself. */
function hasReadableLogin(value: string): boolean {
  if (!URL.canParse(value)) return true
  const { username, password } = new URL(value)
  try {
    return decodeURIComponent(username + password) !== undefined
  } catch {
    return false
  }
}

export const list = v.pipe(
  v.string(),
  v.transform((value) => value.split(',').map((item) => item.trim())),
  v.transform((items) => items.filter((item) => item !== '')),
)

/** Keys are built from it, and glob characters or braces in a key mean something to Redis. */
export const prefix = v.pipe(
  text,
  v.regex(/^[^*?[\]{}\\\s]+$/, 'must not contain * ? [ ] { } \\ or blanks'),
)

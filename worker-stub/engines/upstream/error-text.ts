/** So much of a server's own words is passed on. */
const MAX_LENGTH = 1000

type Fields = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The message of an error in a 200 or a stream, in whatever form servers send one; undefined where
 * this is none. `isError`: the frame around it says so already (`event: error`, a status from 400 on).
 */
export function errorIn(json: unknown, isError = false): string | undefined {
  if (Array.isArray(json)) return errorIn(json[0], isError)
  if (!isObject(json)) return isError ? textOf(json) : undefined
  const isNamed = Boolean(json.error) || json.object === 'error' || json.type === 'error'
  // `{"message": …}` or `{"detail": …}` alone, which a proxy sends in place of an answer.
  const isBare = !['choices', 'data', 'output', 'id', 'object', 'usage'].some((key) => key in json)
  if (isError || isNamed) return textOf(json)
  return isBare ? wordsOf(json) : undefined
}

/** The words if there are some, else all of it. */
export function textOf(json: unknown): string {
  const text = wordsOf(json) ?? (json === undefined ? '' : JSON.stringify(json))
  return text.slice(0, MAX_LENGTH)
}

/** Where the words are, the likeliest place first. */
const PLACES = ['error', 'message', 'detail', 'msg', 'error_message', 'errors', 'reason'] as const

function wordsOf(json: unknown, depth = 0): string | undefined {
  if (typeof json === 'string') return json.trim() === '' ? undefined : json
  if (depth > 4) return undefined
  if (Array.isArray(json)) {
    const all = json.map((item) => wordsOf(item, depth + 1)).filter((item) => item !== undefined)
    return all.length === 0 ? undefined : all.join('; ')
  }
  if (!isObject(json)) return undefined
  for (const place of PLACES) {
    const words = wordsOf(json[place], depth + 1)
    if (words !== undefined) return words
  }
  return undefined
}

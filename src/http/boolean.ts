import type { JsonObject } from './openapi/openapi-parts.ts'

const TRUE = ['true', '1', 'on', 'yes', 't', 'y']
const FALSE = ['false', '0', 'off', 'no', 'f', 'n']

/**
 * A boolean as a text, in every spelling that pydantic takes: Python clients write `True`.
 * Undefined: it is none of them.
 */
export function booleanOf(text: string): boolean | undefined {
  const lower = text.toLowerCase()
  if (TRUE.includes(lower)) return true
  return FALSE.includes(lower) ? false : undefined
}

/** A pattern has no flag for upper and lower case in JSON Schema. */
const anyCase = (word: string): string =>
  word.replace(/[a-z]/g, (letter) => `[${letter.toUpperCase()}${letter}]`)

/** The same for the contract. The first form is the one that a person should choose. */
export const BOOLEAN_SCHEMA: JsonObject = {
  anyOf: [
    { type: 'boolean' },
    { type: 'string', pattern: `^(${[...TRUE, ...FALSE].map(anyCase).join('|')})$` },
    { enum: [0, 1] },
  ],
  default: false,
}

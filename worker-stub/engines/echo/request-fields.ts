import { isObject } from '../upstream/error-text.ts'
import { invalid } from './invalid-request.ts'

/** The body of a request, parsed. */
export type Fields = Readonly<Record<string, unknown>>

/** OpenAI's own limit. */
const MAX_CHOICES = 128

export const modelIn = ({ model }: Fields): string => (typeof model === 'string' ? model : 'echo')

export const isStream = ({ stream }: Fields): boolean => stream === true

export const wantsUsage = ({ stream_options: options }: Fields): boolean =>
  isObject(options) && options.include_usage === true

/** How many choices the client asks for. */
export const choiceCount = (fields: Fields): number => integerIn(fields, 'n', MAX_CHOICES) ?? 1

/** How many tokens a choice may have. */
export function maxTokens(fields: Fields): number {
  const most = Number.MAX_SAFE_INTEGER
  const older = integerIn(fields, 'max_tokens', most)
  return integerIn(fields, 'max_completion_tokens', most) ?? older ?? Infinity
}

/** An integer from 1 on; undefined where the client leaves it open. */
export function integerIn(fields: Fields, name: string, most: number): number | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) {
    return value
  }
  throw invalid(name, `must be an integer from 1 to ${most}`)
}

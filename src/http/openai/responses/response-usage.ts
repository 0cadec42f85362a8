import { isObject } from '../json-fields.ts'
import type { Usage } from '../../../job.ts'
import type { Fields } from '../json-fields.ts'
import type { ResponseUsage } from './response-types.ts'

const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

/** The usage of a chat completion. Undefined where one of the two counts is missing. */
export function usageOfEngine(usage: Fields | undefined): ResponseUsage | undefined {
  const input = countOf(usage?.prompt_tokens)
  const output = countOf(usage?.completion_tokens)
  if (usage === undefined || input === undefined || output === undefined) return undefined
  const { prompt_tokens_details: ofInput, completion_tokens_details: ofOutput } = usage
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: detailOf(ofInput, 'cached_tokens'),
      cache_write_tokens: detailOf(ofInput, 'cache_write_tokens'),
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: detailOf(ofOutput, 'reasoning_tokens') },
    total_tokens: countOf(usage.total_tokens) ?? input + output,
  }
}

const detailOf = (details: unknown, name: string): number =>
  (isObject(details) ? countOf(details[name]) : undefined) ?? 0

/** Of a worker that counts nothing but the tokens of prompt and answer. */
export const usageOfWorker = (usage: Usage | undefined): ResponseUsage | undefined =>
  usage &&
  usageOfEngine({ prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens })

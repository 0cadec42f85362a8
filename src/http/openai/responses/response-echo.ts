import { tierOf } from '../service-tier.ts'
import type { Fields } from '../json-fields.ts'
import type { Tools } from './response-tools.ts'
import type { Echo } from './response-types.ts'

/**
 * What the response repeats of its request. What the client left open, and what is not of the
 * field's type, gets the default of OpenAI's API: Open Responses wants numbers where OpenAI's
 * types allow null, so a number is what both accept.
 * https://github.com/openresponses/openresponses/blob/main/schema/responses.tsp
 */
export function echoOf(fields: Fields, model: string, { echo }: Tools): Echo {
  const { metadata, tool_choice, tools } = { metadata: fields.metadata, ...echo }
  return {
    background: fields.background === true,
    frequency_penalty: numberIn(fields.frequency_penalty) ?? 0,
    instructions: textIn(fields.instructions),
    max_output_tokens: numberIn(fields.max_output_tokens),
    max_tool_calls: numberIn(fields.max_tool_calls),
    metadata: (metadata ?? {}) as Readonly<Record<string, string>>,
    model,
    parallel_tool_calls: fields.parallel_tool_calls !== false,
    presence_penalty: numberIn(fields.presence_penalty) ?? 0,
    previous_response_id: textIn(fields.previous_response_id),
    prompt_cache_key: textIn(fields.prompt_cache_key),
    reasoning: reasoningIn(fields.reasoning),
    safety_identifier: textIn(fields.safety_identifier),
    service_tier: tierOf(fields.service_tier) ?? 'default',
    store: fields.store !== false,
    temperature: numberIn(fields.temperature) ?? 1,
    text: textOptionsIn(fields.text),
    tool_choice,
    tools,
    top_logprobs: numberIn(fields.top_logprobs) ?? 0,
    top_p: numberIn(fields.top_p) ?? 1,
    truncation: fields.truncation === 'auto' ? 'auto' : 'disabled',
    user: textIn(fields.user),
  }
}

const textIn = (value: unknown): string | null => (typeof value === 'string' ? value : null)
/** Infinity is what `1e400` becomes, and JSON has no word for it. */
const numberIn = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

const reasoningIn = (reasoning: unknown): object | null =>
  reasoning === undefined || reasoning === null
    ? null
    : { effort: null, summary: null, ...(reasoning as object) }

function textOptionsIn(text: unknown): object {
  const { format = null, ...rest } = (text ?? {}) as Fields
  return { ...rest, format: formatIn((format ?? { type: 'text' }) as Fields) }
}

const formatIn = (format: Fields): object =>
  format.type === 'json_schema'
    ? { ...format, description: format.description ?? null, strict: format.strict ?? false }
    : format

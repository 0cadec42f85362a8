import { responseRequestSchema } from './request-schema.ts'
import type { JsonObject } from '../../openapi/openapi-parts.ts'

export const responseRef = (name: keyof typeof RESPONSE_SCHEMAS | 'ResponseRequest') => ({
  $ref: `#/components/schemas/${name}`,
})

const TEXT = { type: 'string' }
const TEXT_OR_NULL = { type: ['string', 'null'] }
const NUMBER = { type: 'number' }
const NUMBER_OR_NULL = { type: ['number', 'null'] }
const COUNT = { type: 'integer', minimum: 0 }
const FLAG = { type: 'boolean' }
const ID = { ...TEXT, pattern: '^resp_[A-Za-z0-9._~-]{1,123}$' }

/** Every field is there in every answer. */
const complete = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  ...more,
  properties,
  required: Object.keys(properties),
})

/** An item has more fields, by its type. */
const ResponseItem = complete(
  { type: TEXT, id: { ...TEXT, minLength: 1 } },
  {
    description:
      'A `message` with a list of parts as its `content`, a `function_call`, a `function_call_output`, ' +
      'or `reasoning`. An input may have items of other types, as its client sent them',
  },
)

/** As the engine counts. */
const TOKENS = { type: 'number', minimum: 0 }
const Usage = complete({
  input_tokens: TOKENS,
  input_tokens_details: complete({ cached_tokens: TOKENS, cache_write_tokens: TOKENS }),
  output_tokens: TOKENS,
  output_tokens_details: complete({ reasoning_tokens: TOKENS }),
  total_tokens: TOKENS,
})

const orNull = (schema: JsonObject): JsonObject => ({ anyOf: [schema, { type: 'null' }] })

/** What changes while it runs. */
const STATE: JsonObject = {
  status: { enum: ['queued', 'in_progress', 'completed', 'failed', 'cancelled', 'incomplete'] },
  completed_at: { ...COUNT, type: ['integer', 'null'], description: 'In seconds since 1970' },
  error: orNull(complete({ code: { const: 'server_error' }, message: TEXT })),
  incomplete_details: orNull(
    complete({ reason: { enum: ['max_output_tokens', 'content_filter'] } }),
  ),
  output: { type: 'array', items: { $ref: '#/components/schemas/ResponseItem' } },
  usage: { ...orNull(Usage), description: 'null where the worker told none' },
}

/** What it repeats of its request. */
const ECHO: JsonObject = {
  background: FLAG,
  frequency_penalty: NUMBER,
  instructions: TEXT_OR_NULL,
  max_output_tokens: NUMBER_OR_NULL,
  max_tool_calls: NUMBER_OR_NULL,
  metadata: { type: 'object', additionalProperties: TEXT },
  model: TEXT,
  parallel_tool_calls: FLAG,
  presence_penalty: NUMBER,
  previous_response_id: TEXT_OR_NULL,
  prompt_cache_key: TEXT_OR_NULL,
  reasoning: { type: ['object', 'null'] },
  safety_identifier: TEXT_OR_NULL,
  service_tier: { enum: ['flex', 'default', 'priority'] },
  store: FLAG,
  temperature: NUMBER,
  text: { type: 'object', properties: { format: { type: 'object' } }, required: ['format'] },
  tool_choice: { type: ['string', 'object'] },
  tools: { type: 'array', items: { type: 'object' } },
  top_logprobs: NUMBER,
  top_p: NUMBER,
  truncation: { enum: ['auto', 'disabled'] },
  user: TEXT_OR_NULL,
}

const Response = complete({
  id: ID,
  object: { const: 'response' },
  created_at: { ...COUNT, description: 'In seconds since 1970' },
  ...STATE,
  ...ECHO,
})

const PHASES = ['created', 'queued', 'in_progress', 'completed', 'failed', 'incomplete']
const DELTAS = ['output_text', 'refusal', 'reasoning_text', 'function_call_arguments']
const EVENT_TYPES = [
  ...PHASES,
  ...['output_item', 'content_part'].flatMap((part) => [`${part}.added`, `${part}.done`]),
  ...DELTAS.flatMap((part) => [`${part}.delta`, `${part}.done`]),
].map((name) => `response.${name}`)
/** These two have no number of their own. */
const OF_THE_STREAM = ['keepalive', 'error']

const EVENT_TEXT = `One server-sent event. Its data is JSON, or \`[DONE]\` at the end:

    event: response.output_text.delta
    data: {"type":"response.output_text.delta","sequence_number":5,"delta":"AI ",…}

- \`sequence_number\` is the event's place in the stream: 0 for \`response.created\`. Every replica gives
  the same events with the same numbers, so \`starting_after\` continues on any of them
- \`response.in_progress\` a second time: another worker begins again, and the items so far are void
- \`keepalive\` has the number of the event before it. It comes once a minute while nothing else does
- \`response.failed\` is also the end of a cancelled response: its \`status\` says so
- \`error\` ends a stream that broke, and not its response: read the response again

\`: ping\` is a comment, sent after 15 s of silence.`

const ALL_TYPES = { enum: [...EVENT_TYPES, ...OF_THE_STREAM] }
const ResponseEvent = {
  description: EVENT_TEXT,
  anyOf: [
    complete({
      event: ALL_TYPES,
      data: {
        type: 'string',
        contentMediaType: 'application/json',
        contentSchema: complete({
          type: ALL_TYPES,
          sequence_number: { type: 'integer', minimum: -1 },
        }),
      },
    }),
    complete({ data: { const: '[DONE]' } }),
  ],
}

export const RESPONSE_SCHEMAS = {
  Response,
  ResponseItem,
  ResponseItemList: complete({
    object: { const: 'list' },
    data: { type: 'array', items: { $ref: '#/components/schemas/ResponseItem' } },
    first_id: TEXT_OR_NULL,
    last_id: TEXT_OR_NULL,
    has_more: FLAG,
  }),
  DeletedResponse: complete({
    id: ID,
    object: { const: 'response' },
    deleted: { const: true },
  }),
  ResponseEvent,
} satisfies Record<string, JsonObject>

export const responseSchemas = (mustName: boolean): Record<string, JsonObject> => ({
  ...RESPONSE_SCHEMAS,
  ResponseRequest: responseRequestSchema(mustName),
})

import * as v from 'valibot'

/**
 * What Open Responses requires of a response, its items and its events: `schema/responses.tsp` at
 * 1e33c10f, `items.tsp` at 2976c6b4, and `events.tsp`, `content.tsp` and `configuration.tsp` at
 * 3533b213 (openresponses/openresponses).
 */
const text = v.string()
const integer = v.pipe(v.number(), v.integer())
const orNull = <T extends v.GenericSchema>(schema: T) => v.nullable(schema)
const is = <T extends string>(value: T) => v.literal(value)

const token = { token: text, logprob: v.number(), bytes: v.array(integer) }
const logprobs = v.array(v.object({ ...token, top_logprobs: v.array(v.object(token)) }))

const citation = v.object({
  type: is('url_citation'),
  url: text,
  title: text,
  start_index: integer,
  end_index: integer,
})
const part = v.variant('type', [
  v.object({
    type: is('output_text'),
    text,
    annotations: v.array(citation),
    logprobs: v.optional(logprobs),
  }),
  v.object({ type: v.picklist(['input_text', 'text', 'summary_text', 'reasoning_text']), text }),
  v.object({ type: is('refusal'), refusal: text }),
])

const status = v.picklist(['in_progress', 'completed', 'incomplete'])
const role = v.picklist(['user', 'assistant', 'system', 'developer'])
const item = v.variant('type', [
  v.object({ type: is('message'), id: text, status, role, content: v.array(part) }),
  v.object({
    type: is('function_call'),
    id: text,
    call_id: text,
    name: text,
    arguments: text,
    status,
  }),
  v.object({
    type: is('reasoning'),
    id: text,
    content: v.optional(v.array(part)),
    summary: v.array(part),
    encrypted_content: v.optional(text),
  }),
])

const tool = v.object({
  type: is('function'),
  name: text,
  description: orNull(text),
  parameters: orNull(v.record(text, v.unknown())),
  strict: orNull(v.boolean()),
})
const choice = v.picklist(['none', 'auto', 'required'])
const chosen = v.object({ type: is('function'), name: v.optional(text) })

const reasoning = v.object({
  effort: orNull(v.picklist(['none', 'minimal', 'low', 'medium', 'high', 'xhigh'])),
  summary: orNull(v.picklist(['concise', 'detailed', 'auto'])),
})
const usage = v.object({
  input_tokens: integer,
  output_tokens: integer,
  total_tokens: integer,
  input_tokens_details: v.object({ cached_tokens: integer }),
  output_tokens_details: v.object({ reasoning_tokens: integer }),
})
const format = v.variant('type', [
  v.object({ type: v.picklist(['text', 'json_object']) }),
  v.object({
    type: is('json_schema'),
    name: text,
    description: orNull(text),
    // Its type there is null, and the object of the request is what OpenAI gives back.
    schema: orNull(v.record(text, v.unknown())),
    strict: v.boolean(),
  }),
])

export const responseSchema = v.object({
  id: text,
  object: is('response'),
  created_at: integer,
  completed_at: orNull(integer),
  status: text,
  incomplete_details: orNull(v.object({ reason: text })),
  model: text,
  previous_response_id: orNull(text),
  instructions: orNull(text),
  output: v.array(item),
  error: orNull(v.object({ code: text, message: text })),
  tools: v.array(tool),
  tool_choice: v.union([
    choice,
    chosen,
    v.object({ type: is('allowed_tools'), tools: v.array(chosen), mode: choice }),
  ]),
  truncation: v.picklist(['auto', 'disabled']),
  parallel_tool_calls: v.boolean(),
  text: v.object({ format, verbosity: v.optional(v.picklist(['low', 'medium', 'high'])) }),
  top_p: v.number(),
  presence_penalty: v.number(),
  frequency_penalty: v.number(),
  top_logprobs: integer,
  temperature: v.number(),
  reasoning: orNull(reasoning),
  usage: orNull(usage),
  max_output_tokens: orNull(integer),
  max_tool_calls: orNull(integer),
  store: v.boolean(),
  background: v.boolean(),
  service_tier: text,
  metadata: v.unknown(),
  safety_identifier: orNull(text),
  prompt_cache_key: orNull(text),
})
export type OpenResponse = v.InferOutput<typeof responseSchema>

const named = <T extends string>(type: T) => ({ type: is(type), sequence_number: integer })
const lifecycle = (name: string) =>
  v.object({ ...named(`response.${name}`), response: responseSchema })
const ofItem = { item_id: text, output_index: integer }
const ofPart = { ...ofItem, content_index: integer }

export const eventSchema = v.variant('type', [
  ...['created', 'queued', 'in_progress', 'completed', 'failed', 'incomplete'].map(lifecycle),
  v.object({ ...named('response.output_item.added'), output_index: integer, item }),
  v.object({ ...named('response.output_item.done'), output_index: integer, item }),
  v.object({ ...named('response.content_part.added'), ...ofPart, part }),
  v.object({ ...named('response.content_part.done'), ...ofPart, part }),
  v.object({
    ...named('response.output_text.delta'),
    ...ofPart,
    delta: text,
    logprobs: v.optional(logprobs),
  }),
  v.object({
    ...named('response.output_text.done'),
    ...ofPart,
    text,
    logprobs: v.optional(logprobs),
  }),
  v.object({ ...named('response.function_call_arguments.delta'), ...ofItem, delta: text }),
  v.object({ ...named('response.function_call_arguments.done'), ...ofItem, arguments: text }),
])

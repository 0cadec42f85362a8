import { SERVICE_TIER, modelSchema } from '../openai-schemas.ts'
import { KNOWN_ITEMS } from './response-items.ts'
import { LOGPROBS, MAX_KEY, MAX_PAIRS, MAX_VALUE, REFUSED } from './response-request.ts'
import type { JsonObject } from '../../openapi/openapi-parts.ts'

const TEXT = { type: 'string' }
const TEXT_OR_NULL = { type: ['string', 'null'] }
const FLAG = { type: ['boolean', 'null'] }
const OBJECT_OR_NULL = { type: ['object', 'null'] }

const object = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  type: 'object',
  properties,
  required,
})
const listOf = (items: JsonObject): JsonObject => ({ type: 'array', items })

/** Any type but these, which have fields of their own. */
const typeBut = (known: readonly string[]): JsonObject => ({ ...TEXT, not: { enum: known } })

const TEXT_PARTS = ['input_text', 'output_text']
const Part = {
  anyOf: [
    TEXT,
    object({ type: { enum: TEXT_PARTS }, text: TEXT }, ['type', 'text']),
    object({ type: { const: 'refusal' }, refusal: TEXT }, ['type', 'refusal']),
    object(
      {
        type: { const: 'input_image' },
        image_url: { type: ['string', 'object'], description: 'A URL or a data URL' },
        file_id: { type: 'null' },
      },
      ['type', 'image_url'],
    ),
    object({ type: typeBut([...TEXT_PARTS, 'refusal', 'input_image', 'input_file']) }, ['type']),
  ],
}

const item = (type: string, properties: JsonObject, required: readonly string[] = []) =>
  object({ type: { const: type }, ...properties }, ['type', ...required])

const InputItem = {
  description:
    'A message may leave out its type. Items of other types are stored, and no model sees them',
  anyOf: [
    object(
      {
        type: { enum: ['message', null] },
        role: TEXT,
        content: { anyOf: [TEXT_OR_NULL, listOf(Part)] },
      },
      ['role'],
    ),
    item('function_call', { call_id: TEXT, name: TEXT, arguments: TEXT_OR_NULL }, [
      'call_id',
      'name',
    ]),
    item('function_call_output', { call_id: TEXT, output: { anyOf: [TEXT, listOf(Part)] } }, [
      'call_id',
      'output',
    ]),
    item('reasoning', { summary: {}, content: {} }),
    {
      description: 'An item that comes before it in the conversation',
      ...object({ type: { enum: ['item_reference', null] }, id: { ...TEXT, minLength: 1 } }, [
        'id',
      ]),
      not: { required: ['role'] },
    },
    object({ type: typeBut([...KNOWN_ITEMS]) }, ['type']),
  ],
}

const NAMED = object({ name: TEXT }, ['name'])
const FUNCTION = { type: { const: 'function' } }
const ToolChoice = {
  description: 'Where it forces a call, `tools` must have a function that it allows',
  anyOf: [
    TEXT_OR_NULL,
    {
      ...object({ ...FUNCTION, name: TEXT }, ['type', 'name']),
      not: { properties: { function: { type: 'object' } }, required: ['function'] },
    },
    object({ ...FUNCTION, function: NAMED }, ['type', 'function']),
    object({ type: { const: 'allowed_tools' }, tools: { type: 'array' }, mode: TEXT_OR_NULL }, [
      'type',
      'tools',
    ]),
  ],
}

const Metadata = {
  ...OBJECT_OR_NULL,
  maxProperties: MAX_PAIRS,
  propertyNames: { maxLength: MAX_KEY },
  additionalProperties: { ...TEXT, maxLength: MAX_VALUE },
}

const NOT_SUPPORTED = {
  description: 'Not supported: only null and an empty list are accepted',
  anyOf: [{ type: 'null' }, { type: 'array', maxItems: 0 }],
}

const PROPERTIES: JsonObject = {
  input: { anyOf: [TEXT_OR_NULL, listOf(InputItem)] },
  instructions: TEXT_OR_NULL,
  previous_response_id: {
    ...TEXT_OR_NULL,
    description: 'A stored response that has ended. Its input and output come before this input',
  },
  background: {
    ...FLAG,
    description: 'The job continues without its client, and across restarts of the gateway',
  },
  stream: FLAG,
  store: { ...FLAG, description: 'false: it cannot be read later, unless it is in the background' },
  metadata: Metadata,
  max_output_tokens: { type: ['integer', 'null'], minimum: 1 },
  tools: {
    type: ['array', 'null'],
    description: 'Only tools of type `function` are offered to the model',
    items: object({ type: TEXT }, ['type']),
  },
  tool_choice: ToolChoice,
  text: { ...OBJECT_OR_NULL, properties: { format: OBJECT_OR_NULL } },
  reasoning: OBJECT_OR_NULL,
  include: {
    type: ['array', 'null'],
    description: `Of its entries, \`${LOGPROBS}\` alone has an effect`,
  },
  service_tier: SERVICE_TIER,
  ...Object.fromEntries(REFUSED.map((name) => [name, NOT_SUPPORTED])),
}

/** The gateway checks these fields. The engine takes or refuses all others. */
export function responseRequestSchema(mustName: boolean): JsonObject {
  const model = modelSchema(mustName)
  const given = (name: string) => ({
    properties: { [name]: { not: { type: 'null' } } },
    required: [name],
  })
  return {
    type: 'object',
    description: 'Further fields go to the engine as they are',
    properties: { model, ...PROPERTIES },
    ...(mustName && { required: ['model'] }),
    anyOf: [given('input'), given('previous_response_id')],
  }
}

import { STATUS } from '../errors.ts'
import type { JsonObject } from '../openapi/openapi-parts.ts'

type SchemaName = keyof typeof OPENAI_SCHEMAS | keyof ReturnType<typeof requestSchemas>

export const schemaRef = (name: SchemaName) => ({
  $ref: `#/components/schemas/${name}`,
})

const STREAM = {
  stream: { type: ['boolean', 'null'] },
  stream_options: {
    description: 'Of `stream`: with `include_usage` true, the last chunk has the usage',
  },
}
const SERVICE_TIER = {
  description:
    '`flex`, `default`, `auto` or `priority`: how soon the job is taken from a queue that has priorities',
}

/** Only what the gateway itself checks. All else is the engine's to take or refuse. */
function requestWith(mustName: boolean, more: JsonObject): JsonObject {
  const description = 'One of GET /v1/models. It may be left out where there is only one'
  const type = mustName ? { type: 'string', minLength: 1 } : { type: ['string', 'null'] }
  return {
    type: 'object',
    description: 'Further fields go to the engine as they are',
    properties: { model: { description, ...type }, ...STREAM, service_tier: SERVICE_TIER, ...more },
    ...(mustName && { required: ['model'] }),
  }
}

/** `mustName`: there are several models, and a request has to name one of them. */
export const requestSchemas = (mustName: boolean) => ({
  ChatCompletionRequest: requestWith(mustName, {
    messages: { description: 'The conversation, as a list of messages' },
  }),
  CompletionRequest: requestWith(mustName, {
    prompt: { description: 'A text. Some engines take lists and tokens, too' },
  }),
  EmbeddingRequest: requestWith(mustName, {
    input: { description: 'A text, a list of texts, or tokens' },
    encoding_format: { description: '`float` or `base64`; without it `float`' },
  }),
})

const answer = (required: readonly string[], more: JsonObject = {}): JsonObject => ({
  type: 'object',
  description: 'As the engine gave it, but for `id`, `created` and `model`',
  properties: {
    id: { type: 'string' },
    object: {},
    created: { type: 'integer' },
    model: { type: 'string' },
    ...more,
  },
  required,
})

const OF_CHOICES = ['id', 'object', 'created', 'model']

const Model = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    object: { const: 'model' },
    created: { type: 'integer' },
    owned_by: { type: 'string' },
    served: {
      type: 'boolean',
      description:
        'Whether a worker serves it now. The job of a model that is not served waits for a worker',
    },
  },
  required: ['id', 'object', 'created', 'owned_by', 'served'],
}

export const OPENAI_SCHEMAS = {
  ChatCompletion: answer(OF_CHOICES, { choices: {} }),
  Completion: answer(OF_CHOICES, { choices: {} }),
  Embeddings: answer(['model'], { data: {} }),
  ChunkEvent: {
    description:
      'One server-sent event. Its data is a chunk, then `[DONE]` at the end; or an error, which ends the stream. `: ping` is a comment',
    type: 'object',
    properties: { data: { type: 'string' } },
    required: ['data'],
  },
  Model,
  ModelList: {
    type: 'object',
    properties: {
      object: { const: 'list' },
      data: { type: 'array', items: { $ref: '#/components/schemas/Model' } },
    },
    required: ['object', 'data'],
  },
  OpenAiError: {
    type: 'object',
    properties: {
      error: {
        type: 'object',
        properties: {
          message: { type: 'string' },
          type: { type: 'string' },
          param: { type: ['string', 'null'] },
          code: {
            type: 'string',
            description: 'Of the gateway, or of the engine',
            // No client reads a 499: it has left.
            examples: Object.keys(STATUS).filter((code) => code !== 'client_gone'),
          },
        },
        required: ['message', 'type', 'param', 'code'],
      },
    },
    required: ['error'],
  },
} satisfies Record<string, JsonObject>

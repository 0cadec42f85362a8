import { OUTCOME_HEADERS, body, json } from '../openapi/openapi-parts.ts'
import { FAILURES, IGNORED, JOB_HEADERS, error } from './openai-failures.ts'
import { CHAT, COMPLETIONS, EMBEDDINGS } from './openai-request.ts'
import { OPENAI_SCHEMAS, requestSchemas, schemaRef } from './openai-schemas.ts'
import type { Contract, Operation } from '../openapi/openapi-parts.ts'
import type { OpenAiOptions } from './openai-options.ts'

interface Described {
  readonly operationId: string
  readonly summary: string
  readonly request: keyof ReturnType<typeof requestSchemas>
  readonly answer: keyof typeof OPENAI_SCHEMAS
  readonly example: object
  readonly isStreamed: boolean
}

function operation(of: Described): Record<string, Operation> {
  const { operationId, summary, request, example, isStreamed } = of
  const answer = json('The answer', schemaRef(of.answer), { ...OUTCOME_HEADERS, ...IGNORED })
  const events = { 'text/event-stream': { schema: schemaRef('ChunkEvent') } }
  const content = { ...(answer.content as object), ...(isStreamed && events) }
  return {
    post: {
      operationId,
      summary,
      tags: ['openai'],
      parameters: JOB_HEADERS,
      requestBody: body(schemaRef(request), example),
      responses: { 200: { ...answer, content }, ...FAILURES },
    },
  }
}

const PATH_ID = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The name of the model. It may have slashes',
  schema: { type: 'string', minLength: 1 },
}

const MODEL_PATHS: Contract['paths'] = {
  '/v1/models': {
    get: {
      operationId: 'list_models',
      summary: 'List the models',
      tags: ['openai'],
      responses: { 200: json('The models', schemaRef('ModelList')) },
    },
  },
  '/v1/models/{id}': {
    get: {
      operationId: 'retrieve_model',
      summary: 'Get a model',
      tags: ['openai'],
      parameters: [PATH_ID],
      responses: {
        200: json('The model', schemaRef('Model')),
        404: error('There is no such model'),
      },
    },
  },
}

/** One of the models that there are now, so that the examples can be tried. */
export function openAiContract({ models }: Pick<OpenAiOptions, 'models'>): Contract {
  const model = models.all()[0]?.id ?? 'my-model'
  const chat = operation({
    operationId: 'create_chat_completion',
    summary: 'Answer a conversation',
    request: 'ChatCompletionRequest',
    answer: 'ChatCompletion',
    example: { model, messages: [{ role: 'user', content: 'What is AI?' }] },
    isStreamed: true,
  })
  const completion = operation({
    operationId: 'create_completion',
    summary: 'Continue a text',
    request: 'CompletionRequest',
    answer: 'Completion',
    example: { model, prompt: 'AI is' },
    isStreamed: true,
  })
  const embedding = operation({
    operationId: 'create_embedding',
    summary: 'Turn texts into vectors',
    request: 'EmbeddingRequest',
    answer: 'Embeddings',
    example: { model, input: 'What is AI?' },
    isStreamed: false,
  })
  // Several names are known, so that a request has to choose. Workers may announce more later.
  const mustName = models.all().length > 1
  return {
    paths: { [CHAT]: chat, [COMPLETIONS]: completion, [EMBEDDINGS]: embedding, ...MODEL_PATHS },
    schemas: { ...OPENAI_SCHEMAS, ...requestSchemas(mustName) },
  }
}

import { JOB_ID, OUTCOME_HEADERS, body, header, json, text } from '../openapi/openapi-parts.ts'
import { CHAT, COMPLETIONS, EMBEDDINGS } from './openai-request.ts'
import { IDEMPOTENCY_KEY } from './openai-headers.ts'
import { OPENAI_SCHEMAS, requestSchemas, schemaRef } from './openai-schemas.ts'
import type { Answer, Contract, JsonObject, Operation } from '../openapi/openapi-parts.ts'
import type { OpenAiOptions } from './openai-options.ts'

const IGNORED = {
  'x-ignored-parameters': {
    description: 'Fields of the body that had no effect, where the worker takes only text',
    schema: text('^[A-Za-z0-9_.%\\[\\], -]+$'),
  },
}
const NO_RETRY = {
  'x-should-retry': {
    description: 'The job runs or has ended: the same request again would not help',
    schema: { const: 'false' },
  },
}
const RETRY_AFTER = {
  'retry-after': {
    description: 'Seconds',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
}

function error(description: string, headers: JsonObject = {}): Answer {
  const jobId = { 'x-job-id': { ...JOB_ID['x-job-id'], required: false } }
  return json(description, schemaRef('OpenAiError'), { ...jobId, ...headers })
}

const FAILURES: Record<string, Answer> = {
  400: error('The request cannot be followed: see `param`. Or the engine says so'),
  404: error('There is no such model'),
  409: error('The job was cancelled', NO_RETRY),
  413: error('The body is too large'),
  415: error('The content type is not JSON'),
  422: error('The Idempotency-Key was used for another payload. Or the engine says so'),
  429: error('The engine takes no more requests now', RETRY_AFTER),
  500: error('A fault of the gateway or of the engine'),
  502: error('The worker reported a failure, or its result cannot be read'),
  503: error('The job was not accepted, or may have been: see `code`', RETRY_AFTER),
  504: error('No outcome in time. The same request within 60 s joins the job', NO_RETRY),
  '4XX': error('As the engine answered'),
  '5XX': error('As the engine answered'),
}

const PARAMETERS = [
  header(
    'Idempotency-Key',
    'The same key with the same payload joins the job or gets its outcome. With another payload it is a 422',
    { pattern: IDEMPOTENCY_KEY.source },
  ),
  header(
    'x-stainless-timeout',
    'Seconds that the client waits. It is answered before. What is no number has no effect',
    { examples: ['60'] },
  ),
]

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
      parameters: PARAMETERS,
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

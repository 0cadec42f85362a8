import { VERSION } from '../../version.ts'
import { jobPaths } from '../jobs/jobs-openapi.ts'
import {
  ACCEPTED,
  ANSWER_HEADERS,
  APPLIED,
  EVENTS,
  LOCATION_IF_ASKED_FOR,
  REQUEST_ID,
  SUBMIT_FAILURES,
  body,
  header,
  json,
  linksBy,
  query,
} from './openapi-parts.ts'
import { SCHEMAS, jsonSchema } from './openapi-schemas.ts'
import { ChatRequest, ContentResponse, GenerateRequest } from '../protollm/protollm-routes.ts'
import type * as v from 'valibot'
import type { ContractOptions } from '../jobs/jobs-openapi.ts'
import type { Answer, JsonObject, Operation, Paths } from './openapi-schemas.ts'

const DESCRIPTION =
  'An HTTP front door to LLM workers that take jobs from RabbitMQ and write results to Redis. ' +
  'The same job_id and payload again joins the job or replays its outcome. ' +
  'Every answer has an x-request-id.'

/** OpenAPI 3.1 of every route, from the schemas that validate the requests and the settings that bound them. */
export function openApiDocument(options: ContractOptions): JsonObject {
  const { queues } = options
  const generate = { operationId: 'generate', summary: 'Answer one prompt', queues }
  const chat = { operationId: 'chat_completion', summary: 'Answer a conversation', queues }
  return {
    openapi: '3.1.0',
    info: { title: 'protollm-gateway', version: VERSION, description: DESCRIPTION },
    paths: withRequestIds({
      '/generate': { post: seedOperation(generate, GenerateRequest, PROMPT) },
      '/chat_completion': { post: seedOperation(chat, ChatRequest, CHAT) },
      ...jobPaths(options),
      ...OPERATIONS,
    }),
    components: { schemas: SCHEMAS, headers: { RequestId: REQUEST_ID } },
  }
}

/** Of every answer, and so said in one place. */
function withRequestIds(paths: Paths): Paths {
  const id = { 'x-request-id': { $ref: '#/components/headers/RequestId' } }
  const answer = (one: Answer) => ({ ...one, headers: { ...id, ...one.headers } })
  const operation = (one: Operation) => ({ ...one, responses: mapped(one.responses, answer) })
  return mapped(paths, (byMethod) => mapped(byMethod, operation))
}

const mapped = <T, U>(of: Record<string, T>, by: (one: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(of).map(([name, one]) => [name, by(one)]))

const example = { job_id: '12345', meta: { temperature: 0.5, tokens_limit: 1000 } }
const PROMPT = { ...example, content: 'What is AI?' }
const CHAT = { ...example, messages: [{ role: 'user', content: 'What is AI?' }] }

const PREFER =
  '`wait=10`: the seconds it is held at most, up to TIMEOUT; then 202. ' +
  '`respond-async`: 202 as soon as it is accepted. With either, leaving is not a cancel'

function seedOperation(
  { queues, ...names }: { operationId: string; summary: string } & Pick<ContractOptions, 'queues'>,
  schema: v.GenericSchema,
  sample: object,
): Operation {
  const answer = json(
    'The answer; with `stream`, its events',
    jsonSchema(ContentResponse, 'output'),
    { ...ANSWER_HEADERS, ...APPLIED, ...LOCATION_IF_ASKED_FOR },
  )
  return {
    ...names,
    tags: ['protollm_api'],
    parameters: [
      query('queue_name', 'One of the queues the gateway is set up for; the first when absent', {
        enum: queues,
      }),
      query('stream', 'Answer with events as GET /jobs/{id}/events has them', {
        type: 'boolean',
        default: false,
      }),
      header('Prefer', PREFER, { examples: ['wait=10', 'respond-async'] }),
    ],
    requestBody: body(jsonSchema(schema, 'input'), sample),
    responses: {
      200: {
        ...answer,
        content: { ...(answer.content as object), ...EVENTS },
        ...linksBy('$request.body#/job_id'),
      },
      202: ACCEPTED,
      ...SUBMIT_FAILURES,
    },
  }
}

const status = (name: string) => ({
  type: 'object',
  properties: { status: { const: name } },
  required: ['status'],
})
const readiness = (name: string) => ({
  ...status(name),
  properties: {
    status: { const: name },
    parts: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          ready: { type: 'boolean' },
          detail: { type: 'string' },
        },
        required: ['name', 'ready', 'detail'],
      },
    },
  },
  required: ['status', 'parts'],
})

const OPERATIONS: Paths = {
  '/livez': {
    get: page('livez', 'Whether the process runs', { 200: json('It runs', status('ok')) }),
  },
  '/readyz': {
    get: page('readyz', 'Whether jobs can be taken, and what is missing', {
      200: json('Ready', readiness('ready')),
      503: json('Not ready', readiness('not ready')),
    }),
  },
  '/metrics': {
    get: page('metrics', 'Counts and durations for Prometheus', {
      200: {
        description: 'The text exposition format',
        content: { 'text/plain': { schema: { type: 'string' } } },
      },
    }),
  },
}

function page(operationId: string, summary: string, responses: Operation['responses']): Operation {
  return { operationId, summary, tags: ['operations'], responses }
}

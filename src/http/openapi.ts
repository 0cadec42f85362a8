import { toJsonSchema } from '@valibot/to-json-schema'
import { VERSION } from '../version.ts'
import { ChatRequest, ContentResponse, GenerateRequest } from './protollm.ts'
import type * as v from 'valibot'

type JsonObject = Record<string, unknown>

const DESCRIPTION =
  'An HTTP front door to LLM workers that take jobs from RabbitMQ and write results to Redis. ' +
  'The same job_id and payload again joins the job or replays its outcome.'

/** OpenAPI 3.1 of every route, from the schemas that validate the requests. */
export function openApiDocument(): JsonObject {
  return {
    openapi: '3.1.0',
    info: { title: 'protollm-gateway', version: VERSION, description: DESCRIPTION },
    paths: {
      '/generate': { post: jobOperation('generate', 'Answer one prompt', GenerateRequest, PROMPT) },
      '/chat_completion': {
        post: jobOperation('chat_completion', 'Answer a conversation', ChatRequest, CHAT),
      },
      '/livez': {
        get: page('livez', 'Whether the process runs', { 200: json('It runs', Status) }),
      },
      '/readyz': {
        get: page('readyz', 'Whether jobs can be taken, and what is missing', {
          200: json('Ready', Readiness),
          503: json('Not ready', Readiness),
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
    },
    components: { schemas: { Problem, ValidationError } },
  }
}

const example = { job_id: '12345', meta: { temperature: 0.5, tokens_limit: 1000 } }
const PROMPT = { ...example, content: 'What is AI?' }
const CHAT = { ...example, messages: [{ role: 'user', content: 'What is AI?' }] }

function jobOperation(
  id: string,
  summary: string,
  schema: v.GenericSchema,
  sample: object,
): JsonObject {
  return {
    operationId: id,
    summary,
    tags: ['protollm_api'],
    parameters: [
      {
        name: 'queue_name',
        in: 'query',
        description: 'One of the queues the gateway is set up for; QUEUE_NAME when absent',
        schema: { type: 'string' },
      },
    ],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: jsonSchema(schema, 'input'), example: sample } },
    },
    responses: {
      200: { ...json('The answer', jsonSchema(ContentResponse, 'output')), headers: JOB_HEADERS },
      409: problem('Another payload is under way by this id, or the job was cancelled'),
      413: problem('The body is too large'),
      415: problem('The body is not JSON by its content type'),
      422: json('The request is invalid', { $ref: '#/components/schemas/ValidationError' }),
      500: problem('A fault of the gateway'),
      502: problem('The worker reported a failure, or its result cannot be read'),
      503: problem('Not accepted, or its acceptance is unknown: see `code`'),
      504: problem('The time is over; the job goes on, the same request fetches its outcome'),
    },
  }
}

const JOB_HEADERS = {
  'x-job-id': { schema: { type: 'string' } },
  'idempotent-replayed': {
    description: '`true` when the outcome was known before',
    schema: { type: 'string' },
  },
  'server-timing': {
    description: 'Milliseconds by stage: arm, queue, read, total',
    schema: { type: 'string' },
  },
}

const Status = { type: 'object', properties: { status: { type: 'string' } }, required: ['status'] }
const Readiness = {
  type: 'object',
  properties: {
    status: { enum: ['ready', 'not ready'] },
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
}
/** RFC 9457, with a code for programs. */
const Problem = {
  type: 'object',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    job_id: { type: 'string' },
    request_id: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
}
const ValidationError = {
  type: 'object',
  properties: {
    detail: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string' },
          loc: { type: 'array', items: { type: ['string', 'integer'] } },
          msg: { type: 'string' },
          input: {},
        },
        required: ['type', 'loc', 'msg', 'input'],
      },
    },
  },
  required: ['detail'],
}

function page(operationId: string, summary: string, responses: JsonObject): JsonObject {
  return { operationId, summary, tags: ['operations'], responses }
}

function json(description: string, schema: object): JsonObject {
  return { description, content: { 'application/json': { schema } } }
}

function problem(description: string): JsonObject {
  const schema = { $ref: '#/components/schemas/Problem' }
  return { description, content: { 'application/problem+json': { schema } } }
}

function jsonSchema(schema: v.GenericSchema, typeMode: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = toJsonSchema(schema, { typeMode, errorMode: 'ignore' })
  return rest
}

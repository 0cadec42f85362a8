import { VERSION } from '../version.ts'
import { JOB_PATHS } from './openapi-jobs.ts'
import {
  ACCEPTED,
  ANSWER_HEADERS,
  APPLIED,
  EVENTS,
  LOCATION,
  SCHEMAS,
  SUBMIT_FAILURES,
  body,
  header,
  json,
  jsonSchema,
  query,
} from './openapi-parts.ts'
import { ChatRequest, ContentResponse, GenerateRequest } from './protollm.ts'
import type * as v from 'valibot'
import type { JsonObject } from './openapi-parts.ts'

const DESCRIPTION =
  'An HTTP front door to LLM workers that take jobs from RabbitMQ and write results to Redis. ' +
  'The same job_id and payload again joins the job or replays its outcome. ' +
  'Every answer has an x-request-id.'

/** OpenAPI 3.1 of every route, from the schemas that validate the requests. */
export function openApiDocument(): JsonObject {
  return {
    openapi: '3.1.0',
    info: { title: 'protollm-gateway', version: VERSION, description: DESCRIPTION },
    paths: {
      '/generate': {
        post: seedOperation('generate', 'Answer one prompt', GenerateRequest, PROMPT),
      },
      '/chat_completion': {
        post: seedOperation('chat_completion', 'Answer a conversation', ChatRequest, CHAT),
      },
      ...JOB_PATHS,
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
    components: { schemas: SCHEMAS },
  }
}

const example = { job_id: '12345', meta: { temperature: 0.5, tokens_limit: 1000 } }
const PROMPT = { ...example, content: 'What is AI?' }
const CHAT = { ...example, messages: [{ role: 'user', content: 'What is AI?' }] }

const PREFER =
  '`wait=10`: the seconds it is held at most, up to TIMEOUT; then 202. ' +
  '`respond-async`: 202 as soon as it is accepted. With either, leaving is not a cancel'

function seedOperation(
  operationId: string,
  summary: string,
  schema: v.GenericSchema,
  sample: object,
): JsonObject {
  const answer = json(
    'The answer; with `stream`, its events',
    jsonSchema(ContentResponse, 'output'),
  )
  return {
    operationId,
    summary,
    tags: ['protollm_api'],
    parameters: [
      query('queue_name', 'One of the queues the gateway is set up for; QUEUE_NAME when absent', {
        type: 'string',
      }),
      query('stream', 'Answer with events as GET /jobs/{id}/events has them', {
        type: 'boolean',
        default: false,
      }),
      header('Prefer', PREFER),
    ],
    requestBody: body(jsonSchema(schema, 'input'), sample),
    responses: {
      200: {
        ...answer,
        headers: { ...ANSWER_HEADERS, ...APPLIED, ...LOCATION },
        content: { ...(answer.content as object), ...EVENTS },
      },
      202: ACCEPTED,
      ...SUBMIT_FAILURES,
    },
  }
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

function page(operationId: string, summary: string, responses: JsonObject): JsonObject {
  return { operationId, summary, tags: ['operations'], responses }
}

import { toJsonSchema } from '@valibot/to-json-schema'
import { JobResponse } from './job-json.ts'
import type * as v from 'valibot'

export type JsonObject = Record<string, unknown>

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
const EVENTS_TEXT = `Server-sent events, their data as JSON:

- \`status {status}\`: the first, how the job stands
- \`delta {text}\`, with an id: text to append
- \`restart {}\`, with an id: another attempt begins from the start, the text so far is void
- \`done\`, with the id \`done\`: the last one, the job as GET /jobs/{id} has it
- \`error\`, without an id: the last one too, a Problem; whoever comes again resumes

\`: ping\` is a comment, after 15 s of silence.`

export const SCHEMAS = {
  Problem,
  ValidationError,
  Job: jsonSchema(JobResponse, 'output'),
  Events: { type: 'string', description: EVENTS_TEXT },
}
type SchemaName = keyof typeof SCHEMAS

export const schemaRef = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` })

export const ANSWER_HEADERS = {
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
export const APPLIED = {
  'preference-applied': {
    description: 'What was done of `Prefer`',
    schema: { type: 'string' },
  },
}
export const LOCATION = {
  location: { description: 'Where the job is asked for', schema: { type: 'string' } },
}
const RETRY_AFTER = {
  'retry-after': { description: 'Seconds', schema: { type: 'integer' } },
}

export function header(name: string, description: string, more: JsonObject = {}): JsonObject {
  return { name, in: 'header', description, schema: { type: 'string', ...more } }
}

export function query(name: string, description: string, schema: JsonObject): JsonObject {
  return { name, in: 'query', description, schema }
}

export function body(schema: object, example: object): JsonObject {
  return { required: true, content: { 'application/json': { schema, example } } }
}

export function json(description: string, schema: object, headers?: JsonObject): JsonObject {
  return { description, ...(headers && { headers }), content: { 'application/json': { schema } } }
}

export function problem(description: string, headers?: JsonObject): JsonObject {
  const content = { 'application/problem+json': { schema: schemaRef('Problem') } }
  return { description, ...(headers && { headers }), content }
}

/** What any route may answer whose job is to be read from Redis. */
export const READ_FAILURES = {
  500: problem('A fault of the gateway'),
  502: problem('The result cannot be read: it is too large or no string'),
  503: problem('Not now: see `code`', RETRY_AFTER),
}
export const NOT_FOUND = problem('There is no job with this id')

/** What a route may answer that takes jobs. */
export const SUBMIT_FAILURES = {
  409: problem('Another payload is under way by this id, or the job was cancelled'),
  413: problem('The body is too large'),
  415: problem('The body is not JSON by its content type'),
  422: json('The request is invalid', schemaRef('ValidationError')),
  500: problem('A fault of the gateway'),
  502: problem('The worker reported a failure, or its result cannot be read'),
  503: problem('Not accepted, interrupted, or its acceptance is unknown: see `code`', {
    ...RETRY_AFTER,
    ...LOCATION,
  }),
  504: problem('The time is over: see `code`. The same request fetches the outcome', LOCATION),
}

export const EVENTS = {
  'text/event-stream': {
    schema: schemaRef('Events'),
    example:
      'event: status\ndata: {"status":"queued"}\n\n' +
      'event: delta\nid: 1795373072512-0\ndata: {"text":"AI is "}\n\n',
  },
}

export const JOB = schemaRef('Job')
export const ACCEPTED = json('Accepted, and not known to have ended', JOB, {
  'x-job-id': ANSWER_HEADERS['x-job-id'],
  ...APPLIED,
  ...LOCATION,
})

export function jsonSchema(schema: v.GenericSchema, typeMode: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = toJsonSchema(schema, { typeMode, errorMode: 'ignore' })
  return rest
}

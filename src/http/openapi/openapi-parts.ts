import { problemOf, schemaRef } from './openapi-schemas.ts'
import type { Answer, JsonObject } from './openapi-schemas.ts'

const text = (pattern: string) => ({ type: 'string', pattern })

export const REQUEST_ID = {
  description: 'The client’s own where it sends one of this form, to find the request in the log',
  required: true,
  schema: text('^[A-Za-z0-9_.:=+/-]{1,128}$'),
}
/** On whatever is about a job. */
export const JOB_ID = {
  'x-job-id': { required: true, schema: text('^[A-Za-z0-9._~-]{1,128}$') },
}
const JOB_ID_IF_KNOWN = { 'x-job-id': { ...JOB_ID['x-job-id'], required: false } }
export const ANSWER_HEADERS = {
  ...JOB_ID,
  'idempotent-replayed': {
    description: 'When the outcome was known before',
    schema: { const: 'true' },
  },
  'server-timing': {
    description: 'Milliseconds by stage',
    schema: text('^((arm|queue|read);dur=[0-9.]+, )*total;dur=[0-9.]+$'),
  },
}
export const APPLIED = {
  'preference-applied': {
    description: 'What was done of `Prefer`',
    schema: text('^(respond-async|wait=[0-9]+)$'),
  },
}
const location = {
  description: 'Where the job is asked for',
  schema: { ...text('^/jobs/[A-Za-z0-9._~-]{1,128}$'), format: 'uri-reference' },
}
export const LOCATION = { location: { ...location, required: true } }
export const LOCATION_IF_ASKED_FOR = { location }
const RETRY_AFTER = {
  'retry-after': {
    description: 'Seconds',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
}

/** What one may do next with a job, by the id that `$` finds. */
export function linksBy($: string): JsonObject {
  const parameters = { id: $ }
  return {
    links: {
      job: { operationId: 'job', parameters },
      cancel: { operationId: 'cancel_job', parameters },
      events: { operationId: 'job_events', parameters },
    },
  }
}
export const LINKS_BY_BODY = linksBy('$response.body#/job_id')

export function header(name: string, description: string, schema: JsonObject): JsonObject {
  return { name, in: 'header', description, schema: { type: 'string', ...schema } }
}

export function query(name: string, description: string, schema: JsonObject): JsonObject {
  return { name, in: 'query', description, schema }
}

export function body(schema: object, example: object): JsonObject {
  return { required: true, content: { 'application/json': { schema, example } } }
}

export function json(description: string, schema: object, headers?: JsonObject): Answer {
  return { description, ...(headers && { headers }), content: { 'application/json': { schema } } }
}

/** An error with a code, about a job or about a request that is none. */
export function problem(status: number, description: string, headers?: JsonObject): Answer {
  const content = { 'application/problem+json': { schema: problemOf(status) } }
  return { description, headers: { ...JOB_ID_IF_KNOWN, ...headers }, content }
}

/** What any route may answer whose job is to be read from Redis. */
export const READ_FAILURES = {
  500: problem(500, 'A fault of the gateway'),
  502: problem(502, 'The result cannot be read: it is too large or no string'),
  503: problem(503, 'Not now: see `code`', RETRY_AFTER),
}
export const NOT_FOUND = problem(404, 'There is no job with this id')

/** What a route may answer that takes jobs. */
export const SUBMIT_FAILURES = {
  409: problem(
    409,
    'This id is running with another payload or made for one, or the job was cancelled',
  ),
  413: problem(413, 'The body is too large'),
  415: problem(415, 'The body is not JSON by its content type'),
  422: json(
    'The request is invalid, too deep or too wide: all problems at once',
    schemaRef('ValidationError'),
  ),
  500: problem(500, 'A fault of the gateway'),
  502: problem(502, 'The worker reported a failure, or its result cannot be read'),
  503: problem(503, 'Not accepted, interrupted, or its acceptance is unknown: see `code`', {
    ...RETRY_AFTER,
    ...LOCATION_IF_ASKED_FOR,
  }),
  504: {
    ...problem(
      504,
      'The time is over: see `code`. The same request fetches the outcome',
      LOCATION_IF_ASKED_FOR,
    ),
    ...LINKS_BY_BODY,
  },
}

export const EVENTS = {
  'text/event-stream': {
    schema: schemaRef('Event'),
    example: { event: 'delta', id: '1795373072512-0', data: '{"text":"AI is "}' },
  },
}

export const JOB = schemaRef('Job')
export const ACCEPTED = {
  ...json('Accepted, and not known to have ended', JOB, {
    ...ANSWER_HEADERS,
    ...APPLIED,
    ...LOCATION,
  }),
  ...LINKS_BY_BODY,
}

import { JOB_ID, OUTCOME_HEADERS, json, text } from '../openapi/openapi-parts.ts'
import { problemSchema, schemaRef } from './native-schemas.ts'
import type { Answer, JsonObject } from '../openapi/openapi-parts.ts'

const JOB_ID_IF_KNOWN = { 'x-job-id': { ...JOB_ID['x-job-id'], required: false } }
export const APPLIED = {
  'preference-applied': {
    description: 'The part of `Prefer` that was followed',
    schema: text('^(respond-async|wait=[0-9]+)$'),
  },
}
const location = {
  description: 'Where to find the job, relative to the URL of the request',
  schema: { ...text('^(\\.\\./)*jobs/[A-Za-z0-9._~-]{1,128}$'), format: 'uri-reference' },
}
export const LOCATION = { location: { ...location, required: true } }
export const LOCATION_IF_ACCEPTED = { location }
const RETRY_AFTER = {
  'retry-after': {
    description: 'Seconds. Absent where the same request fails until an operator has acted',
    schema: { type: 'integer', minimum: 1 },
  },
}

/** What a client may do next with the job. `id` is an expression of OpenAPI that finds the job's id. */
export function linksBy(id: string): JsonObject {
  const parameters = { id }
  return {
    links: {
      job: { operationId: 'job', parameters },
      cancel: { operationId: 'cancel_job', parameters },
      events: { operationId: 'job_events', parameters },
    },
  }
}
export const LINKS_BY_BODY = linksBy('$response.body#/job_id')

/** An error with a code. It may be about a job or about an invalid request. */
export function problem(status: number, description: string, headers?: JsonObject): Answer {
  const content = { 'application/problem+json': { schema: problemSchema(status) } }
  return { description, headers: { ...JOB_ID_IF_KNOWN, ...headers }, content }
}

/** For every route that reads a job from Redis. */
export const READ_FAILURES = {
  500: problem(500, 'A fault of the gateway'),
  502: problem(502, 'The result cannot be read: it is too large or not a string'),
  503: problem(503, 'The gateway cannot answer now: see `code`', RETRY_AFTER),
}
export const NOT_FOUND = problem(404, 'There is no job with this id')

/** For every route that takes jobs. */
export const SUBMIT_FAILURES = {
  409: problem(
    409,
    'The id belongs to a job with another payload, or the job was cancelled: see `code`',
  ),
  413: problem(413, 'The body is too large, or the message that would be made of it: see `code`'),
  415: problem(415, 'The content type is not JSON'),
  422: json(
    'The request is invalid, too deep or too wide: all problems at once',
    schemaRef('ValidationError'),
  ),
  500: problem(500, 'A fault of the gateway'),
  502: problem(502, 'The worker reported a failure, or its result cannot be read'),
  503: problem(
    503,
    'The job was not accepted, or it may have been, or it runs and the gateway stops: see `code`',
    { ...RETRY_AFTER, ...LOCATION_IF_ACCEPTED },
  ),
  504: {
    ...problem(
      504,
      'No outcome in time: see `code`. Send the same request again to get the outcome',
      LOCATION_IF_ACCEPTED,
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
  ...json('The job was accepted, and has no outcome yet', JOB, {
    ...OUTCOME_HEADERS,
    ...APPLIED,
    ...LOCATION,
  }),
  ...LINKS_BY_BODY,
}

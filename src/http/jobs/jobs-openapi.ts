import { EVENT_ID } from '../../gateway/event-log.ts'
import { JOB_ID as JOB_ID_PATTERN } from '../job-id.ts'
import {
  ACCEPTED,
  APPLIED,
  EVENTS,
  JOB,
  LINKS_BY_BODY,
  LOCATION,
  NOT_FOUND,
  READ_FAILURES,
  SUBMIT_FAILURES,
  linksBy,
  problem,
} from '../native/native-openapi.ts'
import { NATIVE_SCHEMAS, problemSchema, schemaRef } from '../native/native-schemas.ts'
import {
  JOB_ID,
  OUTCOME_HEADERS,
  body,
  header,
  json,
  jsonSchema,
  query,
} from '../openapi/openapi-parts.ts'
import { IDEMPOTENCY_KEY, JobRequest, MAX_TTL_S, ttlUpTo } from './jobs-request.ts'
import type { AppOptions } from '../app-options.ts'
import type { Contract, JsonObject, Operation } from '../openapi/openapi-parts.ts'

type Options = Pick<AppOptions, 'queues' | 'limits'>

const PATH_ID = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The `job_id`',
  schema: { type: 'string', pattern: JOB_ID_PATTERN.source },
  example: '12345',
}

/** The request's schema, with the queues and the longest time to live of this gateway. */
function jobRequest({ queues, limits }: Options): JsonObject {
  const { properties, ...request } = jsonSchema(JobRequest)
  const ttl = ttlUpTo(Math.min(MAX_TTL_S, limits.jobTtlMs / 1000))
  return {
    ...request,
    properties: {
      ...(properties as JsonObject),
      queue_name: { anyOf: [{ enum: queues }, { type: 'null' }], default: null },
      ttl: jsonSchema(ttl),
    },
    oneOf: [
      { properties: { content: { type: 'string' } }, required: ['content'] },
      { properties: { messages: { type: 'array' } }, required: ['messages'] },
    ],
  }
}

const submit = (options: Options): Operation => ({
  operationId: 'submit_job',
  summary: 'Submit a job without waiting for it',
  tags: ['jobs'],
  parameters: [
    header(
      'Prefer',
      '`wait=10`: wait at most 10 s for the outcome, and never longer than TIMEOUT',
      {
        examples: ['wait=10'],
      },
    ),
    header(
      'Idempotency-Key',
      'The id is made from this key, so it cannot be sent with a `job_id`. The same key with the ' +
        'same payload joins the job or gets its outcome. With another payload it is a 422. ' +
        '`"order 7"` in quotes is the key `order 7`',
      { pattern: IDEMPOTENCY_KEY.source },
    ),
  ],
  requestBody: body(jobRequest(options), { content: 'What is AI?' }),
  responses: {
    200: {
      ...json('The job has ended', JOB, { ...OUTCOME_HEADERS, ...APPLIED, ...LOCATION }),
      ...LINKS_BY_BODY,
    },
    202: ACCEPTED,
    ...SUBMIT_FAILURES,
    422: {
      description: 'The request is invalid, or its Idempotency-Key was used for another payload',
      content: {
        'application/json': { schema: schemaRef('ValidationError') },
        'application/problem+json': { schema: problemSchema(422) },
      },
    },
    502: problem(502, 'The result cannot be read'),
  },
})

const VIEW = {
  operationId: 'job',
  summary: 'Get a job',
  tags: ['jobs'],
  parameters: [
    PATH_ID,
    header('Prefer', '`wait=10`: answer when the job has ended, after 10 s at the latest', {
      examples: ['wait=10'],
    }),
  ],
  responses: {
    200: { ...json('The job', JOB, { ...JOB_ID, ...APPLIED }), ...LINKS_BY_BODY },
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

const CANCEL = {
  operationId: 'cancel_job',
  summary: 'Cancel a job for all clients that wait for it',
  tags: ['jobs'],
  parameters: [PATH_ID],
  responses: {
    200: { ...json('The job, cancelled now or ended before', JOB, JOB_ID), ...LINKS_BY_BODY },
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

/** An empty value counts as absent. */
const LAST_EVENT = { pattern: `^$|${EVENT_ID.source}`, examples: ['1795373072512-0'] }

const FOLLOW = {
  operationId: 'job_events',
  summary: 'Follow a job: its events as they happen',
  tags: ['jobs'],
  parameters: [
    PATH_ID,
    header(
      'Last-Event-ID',
      'The id of the last event that the client received. The answer begins after it, on any ' +
        'replica. After `done` it is a 204',
      LAST_EVENT,
    ),
    query('lastEventId', 'The same, for a client that cannot set the header', {
      type: 'string',
      ...LAST_EVENT,
    }),
    query('after', 'The same. It counts where neither the header nor `lastEventId` is there', {
      type: 'string',
      ...LAST_EVENT,
    }),
  ],
  responses: {
    200: {
      description: 'The events, until the job has ended',
      headers: JOB_ID,
      content: EVENTS,
      ...linksBy('$request.path.id'),
    },
    204: { description: 'The client has already received `done`', headers: JOB_ID },
    404: NOT_FOUND,
    422: json('This is not the id of an event', schemaRef('ValidationError')),
    ...READ_FAILURES,
  },
}

export const jobsContract = (options: Options): Contract => ({
  paths: {
    '/jobs': { post: submit(options) },
    '/jobs/{id}': { get: VIEW, delete: CANCEL },
    '/jobs/{id}/events': { get: FOLLOW },
  },
  schemas: NATIVE_SCHEMAS,
})

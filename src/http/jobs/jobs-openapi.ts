import { EVENT_ID } from '../../gateway/event-log.ts'
import { IDEMPOTENCY_KEY, JobRequest, MAX_TTL_S, ttlUpTo } from './jobs-routes.ts'
import { JobId } from '../job-request.ts'
import {
  ACCEPTED,
  ANSWER_HEADERS,
  APPLIED,
  EVENTS,
  JOB,
  JOB_ID,
  LINKS_BY_BODY,
  LOCATION,
  NOT_FOUND,
  READ_FAILURES,
  SUBMIT_FAILURES,
  body,
  header,
  json,
  linksBy,
  problem,
  query,
} from '../openapi/openapi-parts.ts'
import { jsonSchema, problemOf, schemaRef } from '../openapi/openapi-schemas.ts'
import type { JobsOptions } from './jobs-routes.ts'
import type { JsonObject, Operation, Paths } from '../openapi/openapi-schemas.ts'

/** What the contract says of one gateway, by its settings. */
export type ContractOptions = Pick<JobsOptions, 'queues' | 'limits'>

const PATH_ID = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The `job_id`',
  schema: { type: 'string', pattern: jsonSchema(JobId, 'input').pattern },
  example: '12345',
}

/** One of content and messages, within what this gateway allows. */
function jobRequest({ queues, limits }: ContractOptions): JsonObject {
  const { properties, ...request } = jsonSchema(JobRequest, 'input')
  const ttl = ttlUpTo(Math.min(MAX_TTL_S, limits.jobTtlMs / 1000))
  return {
    ...request,
    properties: {
      ...(properties as JsonObject),
      queue_name: { anyOf: [{ enum: queues }, { type: 'null' }], default: null },
      ttl: jsonSchema(ttl, 'input'),
    },
    oneOf: [
      { properties: { content: { type: 'string' } }, required: ['content'] },
      { properties: { messages: { type: 'array' } }, required: ['messages'] },
    ],
  }
}

const submit = (options: ContractOptions): Operation => ({
  operationId: 'submit_job',
  summary: 'Hand in a job, and leave',
  tags: ['jobs'],
  parameters: [
    header('Prefer', '`wait=10`: the seconds it is held at most, up to TIMEOUT', {
      examples: ['wait=10'],
    }),
    header(
      'Idempotency-Key',
      'Makes the id, and so goes with no `job_id`. The same key and payload join the job or replay ' +
        'its outcome, another payload is a 422',
      { pattern: IDEMPOTENCY_KEY.source },
    ),
  ],
  requestBody: body(jobRequest(options), { content: 'What is AI?' }),
  responses: {
    200: {
      ...json('It has ended', JOB, { ...ANSWER_HEADERS, ...APPLIED, ...LOCATION }),
      ...LINKS_BY_BODY,
    },
    202: ACCEPTED,
    ...SUBMIT_FAILURES,
    422: {
      description: 'The request is invalid, or its Idempotency-Key was used for another payload',
      content: {
        'application/json': { schema: schemaRef('ValidationError') },
        'application/problem+json': { schema: problemOf(422) },
      },
    },
    502: problem(502, 'The result cannot be read'),
  },
})

const VIEW = {
  operationId: 'job',
  summary: 'How a job stands',
  tags: ['jobs'],
  parameters: [
    PATH_ID,
    header('Prefer', '`wait=10`: the seconds to hold until it has ended', {
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
  summary: 'Cancel a job, whoever waits for it',
  tags: ['jobs'],
  parameters: [PATH_ID],
  responses: {
    200: { ...json('The job, cancelled now or ended before', JOB, JOB_ID), ...LINKS_BY_BODY },
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

/** Empty is as good as absent. */
const LAST_EVENT = { pattern: `${EVENT_ID.source.slice(0, -1)}?$`, examples: ['1795373072512-0'] }

const FOLLOW = {
  operationId: 'job_events',
  summary: 'What happens to a job, as it happens',
  tags: ['jobs'],
  parameters: [
    PATH_ID,
    header(
      'Last-Event-ID',
      'Of the last event one has: what follows it is sent, on any replica; after `done`, 204',
      LAST_EVENT,
    ),
    query('after', 'The same, for whoever can set no header', { type: 'string', ...LAST_EVENT }),
  ],
  responses: {
    200: {
      description: 'The events, until the job has ended',
      headers: JOB_ID,
      content: EVENTS,
      ...linksBy('$request.path.id'),
    },
    204: { description: 'It was told already that the job is done', headers: JOB_ID },
    404: NOT_FOUND,
    422: json('No event has such an id', schemaRef('ValidationError')),
    ...READ_FAILURES,
  },
}

/** Jobs that can be left and come back to. */
export const jobPaths = (options: ContractOptions): Paths => ({
  '/jobs': { post: submit(options) },
  '/jobs/{id}': { get: VIEW, delete: CANCEL },
  '/jobs/{id}/events': { get: FOLLOW },
})

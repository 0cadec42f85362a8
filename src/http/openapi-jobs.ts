import { JobRequest } from './jobs.ts'
import {
  ACCEPTED,
  ANSWER_HEADERS,
  APPLIED,
  EVENTS,
  JOB,
  LOCATION,
  NOT_FOUND,
  READ_FAILURES,
  SUBMIT_FAILURES,
  body,
  header,
  json,
  jsonSchema,
  problem,
  query,
  schemaRef,
} from './openapi-parts.ts'
import { JobId } from './job-request.ts'
import type { JsonObject } from './openapi-parts.ts'

const PATH_ID = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The `job_id`',
  schema: { type: 'string', pattern: jsonSchema(JobId, 'input').pattern },
}

const SUBMIT = {
  operationId: 'submit_job',
  summary: 'Hand in a job, and leave',
  tags: ['jobs'],
  parameters: [
    header('Prefer', '`wait=10`: the seconds it is held at most, up to TIMEOUT'),
    header(
      'Idempotency-Key',
      'Makes the id. The same key and payload join the job or replay its outcome, another payload is a 422',
      { pattern: '^[!-~][ -~]{0,254}$' },
    ),
  ],
  requestBody: body(
    {
      ...jsonSchema(JobRequest, 'input'),
      oneOf: [
        { properties: { content: { type: 'string' } }, required: ['content'] },
        { properties: { messages: { type: 'array' } }, required: ['messages'] },
      ],
    },
    { content: 'What is AI?' },
  ),
  responses: {
    200: json('It has ended', JOB, { ...ANSWER_HEADERS, ...APPLIED, ...LOCATION }),
    202: ACCEPTED,
    ...SUBMIT_FAILURES,
    422: {
      description: 'The request is invalid, or its Idempotency-Key was used for another payload',
      content: {
        'application/json': { schema: schemaRef('ValidationError') },
        'application/problem+json': { schema: schemaRef('Problem') },
      },
    },
    502: problem('The result cannot be read'),
  },
}

const VIEW = {
  operationId: 'job',
  summary: 'How a job stands',
  tags: ['jobs'],
  parameters: [PATH_ID, header('Prefer', '`wait=10`: the seconds to hold until it has ended')],
  responses: { 200: json('The job', JOB, APPLIED), 404: NOT_FOUND, ...READ_FAILURES },
}

const CANCEL = {
  operationId: 'cancel_job',
  summary: 'Cancel a job, whoever waits for it',
  tags: ['jobs'],
  parameters: [PATH_ID],
  responses: {
    200: json('The job, cancelled now or ended before', JOB),
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

const FOLLOW = {
  operationId: 'job_events',
  summary: 'What happens to a job, as it happens',
  tags: ['jobs'],
  parameters: [
    PATH_ID,
    header(
      'Last-Event-ID',
      'Of the last event one has: what follows it is sent, on any replica; after `done`, 204',
    ),
    query('after', 'The same, for whoever can set no header', { type: 'string' }),
  ],
  responses: {
    200: { description: 'The events, until the job has ended', content: EVENTS },
    204: { description: 'It was told already that the job is done' },
    404: NOT_FOUND,
    422: json('No event of this job has such an id', schemaRef('ValidationError')),
    ...READ_FAILURES,
  },
}

/** Jobs that can be left and come back to. */
export const JOB_PATHS: JsonObject = {
  '/jobs': { post: SUBMIT },
  '/jobs/{id}': { get: VIEW, delete: CANCEL },
  '/jobs/{id}/events': { get: FOLLOW },
}

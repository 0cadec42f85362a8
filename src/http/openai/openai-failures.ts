import { JOB_ID, header, json, text } from '../openapi/openapi-parts.ts'
import { IDEMPOTENCY_KEY } from './openai-headers.ts'
import { schemaRef } from './openai-schemas.ts'
import type { Answer, JsonObject } from '../openapi/openapi-parts.ts'

/** On answers whose body had fields without effect. */
export const IGNORED = {
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
const SECONDS = { type: 'integer', minimum: 1 }
const RETRY_AFTER = {
  'retry-after': { description: 'Seconds', required: true, schema: SECONDS },
}
const RETRY_AFTER_IF_IT_HELPS = {
  'retry-after': {
    description: 'Seconds. Absent where the same request fails until an operator has acted',
    schema: SECONDS,
  },
}

/** An error in the form of the OpenAI API. */
export function error(description: string, headers: JsonObject = {}): Answer {
  const jobId = { 'x-job-id': { ...JOB_ID['x-job-id'], required: false } }
  return json(description, schemaRef('OpenAiError'), { ...jobId, ...headers })
}

/** Of every route that takes a job. */
export const FAILURES: Record<string, Answer> = {
  400: error('The request cannot be followed: see `param`. Or the engine says so'),
  404: error('There is no such model'),
  409: error('The job was cancelled', NO_RETRY),
  413: error('The body is too large'),
  415: error('The content type is not JSON'),
  422: error('The Idempotency-Key was used for another payload. Or the engine says so'),
  429: error('The engine takes no more requests now', RETRY_AFTER),
  500: error('A fault of the gateway or of the engine'),
  502: error('The worker reported a failure, or its result cannot be read'),
  503: error('The job was not accepted, or may have been: see `code`', RETRY_AFTER_IF_IT_HELPS),
  504: error('No outcome in time. The same request within 60 s joins the job', NO_RETRY),
  '4XX': error('As the engine answered'),
  '5XX': error('As the engine answered'),
}

/** The headers that every route looks at that takes a job. */
export const JOB_HEADERS = [
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

/** Of every route that reads a job from Redis. */
export const READ_FAILURES: Record<string, Answer> = {
  500: error('A fault of the gateway'),
  502: error('What Redis has of the response cannot be read'),
  503: error('The gateway cannot answer now: see `code`', RETRY_AFTER_IF_IT_HELPS),
}

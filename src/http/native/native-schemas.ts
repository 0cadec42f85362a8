import { MAX_DELTA } from '../../gateway/delta-pieces.ts'
import { DONE_ID } from '../../gateway/event-log.ts'
import { STATUS } from '../errors.ts'
import { jsonSchema } from '../openapi/openapi-parts.ts'
import { JobEnd, JobResponse, STATUSES } from './job-json.ts'
import type { JsonObject } from '../openapi/openapi-parts.ts'

export const schemaRef = (name: 'Problem' | 'ValidationError' | 'Job' | 'Event') => ({
  $ref: `#/components/schemas/${name}`,
})

/** RFC 9457, with a code for programs. */
const Problem = {
  type: 'object',
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    // No client reads a 499: it has left.
    code: { enum: Object.keys(STATUS).filter((code) => code !== 'client_gone') },
    job_id: { type: 'string' },
    request_id: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
}

/** A problem with this status and one of its codes. */
export function problemSchema(status: number): JsonObject {
  const codes = Object.entries(STATUS).filter(([, its]) => its === status)
  const code = { enum: codes.map(([name]) => name) }
  return { allOf: [schemaRef('Problem')], properties: { status: { const: status }, code } }
}

const ValidationError = {
  type: 'object',
  properties: {
    detail: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        properties: {
          type: { type: 'string' },
          loc: { type: 'array', items: { type: ['string', 'integer'] }, minItems: 1 },
          msg: { type: 'string' },
          input: {},
        },
        required: ['type', 'loc', 'msg', 'input'],
      },
    },
  },
  required: ['detail'],
}

const EVENT_TEXT = `One server-sent event. Its data is JSON:

    event: delta
    id: 1795373072512-0
    data: {"text":"AI is "}

- \`status\`: the first event, the status of the job; once more when it runs
- \`delta\`, with an id: text to append
- \`restart\`, with an id: another attempt begins, so drop the text so far
- \`done\`, with the id \`done\`: the last event, the job as GET /jobs/{id} answers it. A content
  that would make the line longer than 60,000 bytes is left out: it is the text of the deltas
- \`error\`, without an id: the last event of a stream that broke; reconnect to resume it

\`: ping\` is a comment, sent after 15 s of silence. A line is shorter than 64 KB.`

/** A delta that is a piece of a longer text says in its id how much of the text the client has then. */
const DELTA_ID = idOf('(:[0-9]{1,9}(:[0-9a-f]{16})?)?')

/**
 * The fields of one event, and not the text of the whole stream: OpenAPI 3.2 has
 * `itemSchema` for that, but 3.1 has only the place of the schema.
 */
const Event = {
  description: EVENT_TEXT,
  oneOf: [
    eventOf('status', object({ status: { enum: STATUSES } })),
    eventOf('delta', object({ text: { type: 'string', maxLength: MAX_DELTA } }), DELTA_ID),
    eventOf('restart', { type: 'object', maxProperties: 0 }, idOf('(:restart)?')),
    eventOf('done', jsonSchema(JobEnd), { const: DONE_ID }),
    eventOf('error', schemaRef('Problem')),
  ],
}

function eventOf(name: string, contentSchema: JsonObject, id?: JsonObject): JsonObject {
  const data = { type: 'string', contentMediaType: 'application/json', contentSchema }
  return object({ event: { const: name }, ...(id && { id }), data })
}

function idOf(ending: string): JsonObject {
  return { type: 'string', pattern: `^[0-9]{1,16}-[0-9]{1,16}${ending}$` }
}

function object(properties: JsonObject): JsonObject {
  return { type: 'object', properties, required: Object.keys(properties) }
}

export const NATIVE_SCHEMAS = {
  Problem,
  ValidationError,
  Job: jsonSchema(JobResponse),
  Event,
}

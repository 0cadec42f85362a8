import { toJsonSchema } from '@valibot/to-json-schema'
import { DONE_ID } from '../../gateway/event-log.ts'
import { STATUS } from '../errors.ts'
import { JobResponse, STATUSES } from '../job-json.ts'
import type * as v from 'valibot'

export type JsonObject = Record<string, unknown>
export type Answer = JsonObject & { readonly headers?: JsonObject }
export type Operation = JsonObject & { readonly responses: Record<string, Answer> }
/** By path and method. */
export type Paths = Record<string, Record<string, Operation>>

export const schemaRef = (name: 'Problem' | 'ValidationError' | 'Job' | 'Event') => ({
  $ref: `#/components/schemas/${name}`,
})

export function jsonSchema(schema: v.GenericSchema, typeMode: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = toJsonSchema(schema, { typeMode, errorMode: 'ignore' })
  return rest
}

/** RFC 9457, with a code for programs. */
const Problem = {
  type: 'object',
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    // 499 is nobody's to read: the client has gone.
    code: { enum: Object.keys(STATUS).filter((code) => code !== 'client_gone') },
    job_id: { type: 'string' },
    request_id: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
}

/** As the table has it: this status, and the codes that have it. */
export function problemOf(status: number): JsonObject {
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

const EVENT_TEXT = `One of the server-sent events, its data as JSON:

    event: delta
    id: 1795373072512-0
    data: {"text":"AI is "}

- \`status\`: the first, how the job stands
- \`delta\`, with an id: text to append
- \`restart\`, with an id: another attempt begins from the start, the text so far is void
- \`done\`, with the id \`done\`: the last one, the job as GET /jobs/{id} has it
- \`error\`, without an id: the last one too; whoever comes again resumes

\`: ping\` is a comment, after 15 s of silence.`

/**
 * One event by its fields, and not the text of them all: what OpenAPI 3.2 calls
 * `itemSchema` is told in 3.1 where the schema stands, or nowhere.
 */
const Event = {
  description: EVENT_TEXT,
  oneOf: [
    eventOf('status', object({ status: { enum: STATUSES } })),
    eventOf('delta', object({ text: { type: 'string' } }), idOf('')),
    eventOf('restart', { type: 'object', maxProperties: 0 }, idOf('(:restart)?')),
    eventOf('done', schemaRef('Job'), { const: DONE_ID }),
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

export const SCHEMAS = {
  Problem,
  ValidationError,
  Job: jsonSchema(JobResponse, 'output'),
  Event,
}

import { toJsonSchema } from '@valibot/to-json-schema'
import type * as v from 'valibot'

export type JsonObject = Record<string, unknown>
export type Answer = JsonObject & { readonly headers?: JsonObject }
export type Operation = JsonObject & { readonly responses: Record<string, Answer> }

/** What one surface adds to /openapi.json. */
export interface Contract {
  /** By path and method. */
  readonly paths: Record<string, Record<string, Operation>>
  /** The schemas that the paths refer to, by name. Surfaces that share a schema name the same object. */
  readonly schemas: Record<string, JsonObject>
}

/** The form of valid JSON. Where a schema checks something first, as `object` does, its last step describes the form. */
export function jsonSchema(schema: v.GenericSchema): JsonObject {
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    typeMode: 'output',
    errorMode: 'ignore',
  })
  return rest
}

export const text = (pattern: string) => ({ type: 'string', pattern })

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

/** On every answer about a job. */
export const JOB_ID = {
  'x-job-id': { required: true, schema: text('^[A-Za-z0-9._~-]{1,128}$') },
}

/** On every answer with an outcome. */
export const OUTCOME_HEADERS = {
  ...JOB_ID,
  'idempotent-replayed': {
    description: 'The outcome was known before the request came',
    schema: { const: 'true' },
  },
  'x-ignored-parameters': {
    description:
      'Fields of the body that had no effect, such as `max_tokens, messages[].name`. At most 20 names; `...` stands for the others',
    schema: text('^[A-Za-z0-9_.%"\\[\\], -]+$'),
  },
  'server-timing': {
    description: 'Milliseconds by stage',
    schema: text('^((arm|queue|read);dur=[0-9.]+, )*total;dur=[0-9.]+$'),
  },
}

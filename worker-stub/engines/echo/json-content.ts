import { isObject } from '../upstream/error-text.ts'
import { invalid } from './invalid-request.ts'
import { valueFor } from './schema-value.ts'

/** The content as JSON text where the client asks for JSON; undefined where it is plain text. */
export function jsonContent(format: unknown, words: string): string | undefined {
  if (format === undefined || format === null) return undefined
  if (!isObject(format)) throw invalid('response_format', 'must be an object')
  switch (format.type) {
    case 'text':
      return undefined
    case 'json_object':
      return withoutSchema(words)
    case 'json_schema': {
      const param = 'response_format.json_schema'
      const asked = format.json_schema
      if (!isObject(asked)) throw invalid(param, 'must be an object')
      const { schema } = asked
      if (schema === undefined || schema === null) return withoutSchema(words)
      return JSON.stringify(valueFor(schema, words, `${param}.schema`))
    }
    default:
      throw invalid('response_format.type', 'must be text, json_object or json_schema')
  }
}

const withoutSchema = (words: string): string => JSON.stringify({ echo: words })

import { isObject } from '../upstream/error-text.ts'
import { invalid } from './invalid-request.ts'
import { merged, referred } from './schema-parts.ts'
import { numberFor, stringFor } from './schema-scalars.ts'
import type { Fields } from './request-fields.ts'

/** No model answers with more, and a small schema can ask for any number. */
const MAX_VALUES = 10_000

/** A value that fits the schema, with the user's words for its texts. Throws an InvalidRequest where it knows none. */
export function valueFor(schema: unknown, words: string, param: string): unknown {
  const values = new SchemaValues(schema, words === '' ? 'text' : words, param)
  const value = values.of(schema, { open: [], variant: 0 })
  if (value === undefined)
    throw invalid(param, 'is a schema for which the echo engine has no value')
  return value
}

interface Position {
  /** The definitions that the value is part of. None of them is begun again, so that every value ends. */
  readonly open: readonly string[]
  /** Counts the items of an array, so that they can differ. */
  readonly variant: number
}

/** Makes values of a schema and its parts. `undefined`: it knows no value. */
class SchemaValues {
  readonly #root: unknown
  readonly #words: string
  readonly #param: string
  #count = 0

  constructor(root: unknown, words: string, param: string) {
    this.#root = root
    this.#words = words
    this.#param = param
  }

  of(given: unknown, at: Position): unknown {
    this.#count += 1
    if (this.#count > MAX_VALUES)
      throw invalid(this.#param, `asks for more than ${MAX_VALUES} values`)
    const found = this.#withoutReference(given, at.open)
    if (found === undefined) return undefined
    const { schema, open } = found
    const { allOf, anyOf, oneOf, ...rest } = schema
    const here = { ...at, open }
    if (Array.isArray(allOf)) return this.#ofAll(allOf, { ...schema, allOf: undefined }, here)
    const branches = anyOf ?? oneOf
    if (Array.isArray(branches)) return this.#ofFirst(branches, rest, here)
    return this.#plain(rest, here)
  }

  #withoutReference(
    given: unknown,
    open: readonly string[],
  ): { schema: Fields; open: readonly string[] } | undefined {
    const schema = given === true ? {} : given
    if (!isObject(schema)) return undefined
    const { $ref, ...rest } = schema
    if (typeof $ref !== 'string') return { schema, open }
    if (open.includes($ref)) return undefined
    const target = this.#withoutReference(referred(this.#root, $ref), [...open, $ref])
    return target && { schema: merged(target.schema, rest), open: target.open }
  }

  #ofAll(parts: readonly unknown[], rest: Fields, at: Position): unknown {
    let [schema, open] = [rest, at.open]
    for (const part of parts) {
      const found = this.#withoutReference(part, open)
      if (found === undefined) return undefined
      schema = merged(schema, found.schema)
      open = found.open
    }
    return this.of(schema, { ...at, open })
  }

  #ofFirst(branches: readonly unknown[], rest: Fields, at: Position): unknown {
    for (const branch of branches) {
      const found = this.#withoutReference(branch, at.open)
      const value = found && this.of(merged(rest, found.schema), { ...at, open: found.open })
      if (value !== undefined) return value
    }
    return undefined
  }

  #plain(schema: Fields, at: Position): unknown {
    if (schema.const !== undefined) return schema.const
    if (Array.isArray(schema.enum)) return this.#ofEnum(schema.enum, schema, at)
    switch (typeOf(schema)) {
      case 'object':
        return this.#object(schema, at)
      case 'array':
        return this.#array(schema, at)
      case 'string':
        return stringFor(schema, this.#words, at.variant)
      case 'integer':
      case 'number':
        return numberFor(schema, at.variant)
      case 'boolean':
        return at.variant % 2 === 0
      case 'null':
        return null
      default:
        return undefined
    }
  }

  /** Beside an enum there may be bounds. */
  #ofEnum(values: readonly unknown[], schema: Fields, at: Position): unknown {
    const { minimum = -Infinity, maximum = Infinity } = schema
    const types: unknown[] = [schema.type ?? []].flat()
    const fit = values.filter((value) => {
      if (typeof value === 'number' && (value < Number(minimum) || value > Number(maximum)))
        return false
      return types.length === 0 || types.includes(jsonType(value)) || isNumberOf(types, value)
    })
    return fit[at.variant % fit.length]
  }

  #object(schema: Fields, at: Position): unknown {
    const { additionalProperties: more = {}, minProperties: least = 0 } = schema
    const described = isObject(schema.properties) ? schema.properties : {}
    const required = Array.isArray(schema.required) ? schema.required.map(String) : []
    const entries: [string, unknown][] = []
    for (const name of new Set([...Object.keys(described), ...required])) {
      const value = this.of(Object.hasOwn(described, name) ? described[name] : more, at)
      if (value !== undefined) entries.push([name, value])
      else if (required.includes(name)) return undefined
    }
    while (entries.length < Number(least)) {
      const value = this.of(more, at)
      if (value === undefined) return undefined
      entries.push([`key${entries.length + 1}`, value])
    }
    return Object.fromEntries(entries)
  }

  #array(schema: Fields, at: Position): unknown {
    const { items = true, minItems = 0, maxItems = Infinity, uniqueItems } = schema
    const first: unknown[] = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
    const least = Number(minItems)
    const wanted = Math.min(Math.max(least, first.length, 1), Number(maxItems))
    const values: unknown[] = []
    while (values.length < wanted) {
      const variant = uniqueItems === true ? values.length : at.variant
      const value = this.of(first[values.length] ?? items, { ...at, variant })
      if (value === undefined) break
      values.push(value)
    }
    const kept = uniqueItems === true ? unique(values) : values
    return kept.length < least ? undefined : kept
  }
}

/** The first type that says something, or what the other keywords are about. */
function typeOf(schema: Fields): unknown {
  const types: unknown[] = [schema.type ?? []].flat()
  if (types.length > 0) return types.find((type) => type !== 'null') ?? 'null'
  if ('properties' in schema || 'required' in schema || 'additionalProperties' in schema)
    return 'object'
  if ('items' in schema || 'prefixItems' in schema || 'minItems' in schema) return 'array'
  if ('minimum' in schema || 'maximum' in schema || 'multipleOf' in schema) return 'number'
  return 'string'
}

/** Of booleans, for example, there are only two. */
const unique = (values: readonly unknown[]): readonly unknown[] => [
  ...new Map(values.map((value) => [JSON.stringify(value), value])).values(),
]

function jsonType(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

const isNumberOf = (types: readonly unknown[], value: unknown): boolean =>
  types.includes('integer') && Number.isInteger(value)

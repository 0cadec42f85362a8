import * as v from 'valibot'
import { GatewayError } from '../errors.ts'
import { InvalidRequest } from './errors.ts'
import type { Context } from 'hono'
import type { HttpEnv } from './context.ts'
import type { Problem } from './errors.ts'

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i
/** Deeper JSON can be parsed, but not written again: that overflows the stack at about 10,000. */
const MAX_DEPTH = 64
/** Items of one array or keys of one object; it bounds how many problems there can be. */
export const MAX_ITEMS = 1024

/** The body as JSON. Throws what the client is told: wrong type, too large, not JSON, too deep or too wide. */
export async function readJson(c: Context<HttpEnv>, maxBytes: number): Promise<unknown> {
  const type = headerOf(c, 'content-type')
  if (type === undefined || !JSON_TYPE.test(type)) {
    throw new GatewayError('unsupported_media_type', 'the content type must be application/json')
  }
  const text = await readText(c, maxBytes).catch((error: unknown) => {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('client_gone', 'the client left in the middle of its request', {
      cause: error,
    })
  })
  const value = parseJson(text)
  const problem = tooDeepOrWide(value)
  if (problem !== undefined) {
    // The way down to what is too deep says nothing to anybody.
    const loc = problem.type === 'json_too_deep' ? ['body'] : ['body', ...problem.loc]
    throw new InvalidRequest([{ ...problem, loc }])
  }
  return value
}

/** An object by its JSON name: to `v.object` alone, a list is one too. */
export function object<T extends v.ObjectEntries>(entries: T): v.ObjectSchema<T, undefined> {
  const schema = v.object(entries)
  return {
    ...schema,
    '~run'(dataset, config) {
      if (!Array.isArray(dataset.value)) return schema['~run'](dataset, config)
      v._addIssue(schema, 'type', dataset, config)
      return dataset as unknown as ReturnType<(typeof schema)['~run']>
    },
  }
}

/** The parsed value, or all that is wrong with it. */
export function validate<T extends v.GenericSchema>(
  schema: T,
  value: unknown,
): { readonly value: v.InferOutput<T> } | { readonly problems: readonly Problem[] } {
  const parsed = v.safeParse(schema, value, { abortPipeEarly: true })
  if (parsed.success) return { value: parsed.output }
  return { problems: parsed.issues.map((issue) => problemOf(issue, value)) }
}

/**
 * A stated length is checked before anything is read, and Node holds the client
 * to it. Only a chunked body has to be counted as it comes.
 */
async function readText(c: Context<HttpEnv>, maxBytes: number): Promise<string> {
  // Made when it is needed: an error takes the time of its stack.
  const tooLarge = () =>
    new GatewayError('body_too_large', `the body is larger than ${maxBytes} bytes`)
  const stated = headerOf(c, 'content-length')
  if (stated !== undefined && headerOf(c, 'transfer-encoding') === undefined) {
    if (Number(stated) > maxBytes) throw tooLarge()
    return c.req.text()
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** From the parsed request where there is one: a Headers of all of them costs more than the few that are looked at. */
export function headerOf(c: Context<HttpEnv>, name: string): string | undefined {
  const { incoming } = c.env
  if (incoming === undefined) return c.req.header(name)
  const value = incoming.headers[name]
  return typeof value === 'object' ? value.join(', ') : value
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const problem = { type: 'json_invalid', loc: ['body'], msg: 'JSON decode error', input: {} }
    throw new InvalidRequest([problem])
  }
}

/** Looks at every value, and so makes nothing on its way but where there is something to tell. */
function tooDeepOrWide(value: unknown, depth = 1): Problem | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > MAX_DEPTH) {
    const msg = `JSON should be at most ${MAX_DEPTH} levels deep`
    return { type: 'json_too_deep', loc: [], msg, input: null }
  }
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value)
  const size = Array.isArray(value) ? value.length : (keys as string[]).length
  if (size > MAX_ITEMS) {
    const msg = `should have at most ${MAX_ITEMS} items, not ${size}`
    return { type: 'too_long', loc: [], msg, input: null }
  }
  for (const key of keys) {
    const problem = tooDeepOrWide((value as Record<string | number, unknown>)[key], depth + 1)
    if (problem !== undefined) return { ...problem, loc: [key, ...problem.loc] }
  }
  return undefined
}

/** What FastAPI's validator calls the same thing. */
const TYPES: Record<string, readonly [type: string, msg: string]> = {
  string: ['string_type', 'Input should be a valid string'],
  number: ['float_type', 'Input should be a valid number'],
  finite: ['finite_number', 'Input should be a finite number'],
  integer: ['int_from_float', 'Input should be a valid integer'],
  array: ['list_type', 'Input should be a valid list'],
  object: ['model_attributes_type', 'Input should be a valid dictionary or object'],
  min_length: ['too_short', ''],
  max_length: ['too_long', ''],
  min_value: ['greater_than_equal', ''],
  max_value: ['less_than_equal', ''],
  regex: ['string_pattern_mismatch', ''],
}

function problemOf(issue: v.BaseIssue<unknown>, whole: unknown): Problem {
  const path = issue.path ?? []
  const loc = ['body', ...path.map(({ key }) => key as string | number)]
  const last = path.at(-1)
  if (last !== undefined && issue.received === 'undefined') {
    return { type: 'missing', loc, msg: 'Field required', input: last.input ?? whole }
  }
  const [type, msg] = TYPES[issue.type] ?? ['value_error', '']
  return { type, loc, msg: msg || issue.message, input: issue.input }
}

import { membersOf } from '../../../json-source.ts'
import { invalidValue } from '../openai-errors.ts'
import { echoOf } from './response-echo.ts'
import { isObject } from '../json-fields.ts'
import { KNOWN_ITEMS, readItems, unsupported } from './response-items.ts'
import { readTools } from './response-tools.ts'
import type { Fields } from '../json-fields.ts'
import type { Tools } from './response-tools.ts'
import type { Echo, Item } from './response-types.ts'

/** What a client asked of `POST /v1/responses`, checked. */
export interface ResponseRequest {
  /** The body as it was sent. */
  readonly source: string
  /** The same, parsed. */
  readonly fields: Fields
  /** The source text of each field. */
  readonly sources: ReadonlyMap<string, string>
  readonly echo: Echo
  readonly isStream: boolean
  /** The items of this request alone. The item at an index is the one at that index of `input`. */
  readonly input: readonly Item[]
  readonly tools: Tools
  /** Names what had no effect, for `x-ignored-parameters`. */
  readonly ignored: readonly string[]
  readonly previousId: string | undefined
}

/** With this in `include`, the client gets the probability of each token. */
export const LOGPROBS = 'message.output_text.logprobs'

/** Neither a worker nor the gateway has what these refer to, and an answer without it would be wrong. */
export const REFUSED = ['conversation', 'prompt', 'context_management']
const FLAGS = ['background', 'stream', 'store']
const TEXTS = ['previous_response_id', 'instructions']
const OBJECTS = ['text', 'reasoning', 'metadata']

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)

/**
 * Reads the fields of a body. Refuses only what the gateway itself needs and what it would
 * answer wrongly: the engine validates the rest. `model` is the one that serves the request.
 */
export function readResponseFields(source: string, fields: Fields, model: string): ResponseRequest {
  checkFields(fields)
  const { input = null, previous_response_id: previousId = null } = fields
  if (input === null && previousId === null) {
    throw invalidValue('input', 'input must be a text or a list of items')
  }
  const items = readItems(source, input)
  const sources = membersOf(source)
  const tools = readTools(sources.get('tools'), fields)
  return {
    source,
    fields,
    sources,
    echo: echoOf(fields, model, tools),
    isStream: fields.stream === true,
    input: items,
    tools,
    ignored: [...ignoredIn(fields), ...ignoredItems(items), ...tools.ignored],
    previousId: typeof previousId === 'string' ? previousId : undefined,
  }
}

function checkFields(fields: Fields): void {
  for (const name of REFUSED) {
    if (isGiven(fields[name])) throw unsupported(name, `${name} is not supported here`)
  }
  for (const name of FLAGS) check(fields, name, 'true or false', isBoolean)
  for (const name of TEXTS) check(fields, name, 'a text', isText)
  for (const name of OBJECTS) check(fields, name, 'an object', isObject)
  check(fields, 'include', 'a list', Array.isArray)
  check(fields, 'max_output_tokens', 'a whole number above 0', isPositiveInteger)
  const format = (fields.text as Fields | null | undefined)?.format ?? null
  if (format !== null && !isObject(format)) {
    throw invalidValue('text.format', 'text.format must be an object')
  }
  checkMetadata((fields.metadata ?? {}) as Fields)
  for (const name of ['input', 'tools', 'tool_choice', 'text', 'reasoning']) {
    if (isDeeperThan(fields[name], MAX_DEPTH)) {
      throw invalidValue(name, `${name} is nested more than ${MAX_DEPTH} levels deep`)
    }
  }
}

const isBoolean = (value: unknown) => typeof value === 'boolean'
const isText = (value: unknown) => typeof value === 'string'
const isPositiveInteger = (value: unknown) => Number.isInteger(value) && (value as number) > 0

function check(fields: Fields, name: string, form: string, isRight: (value: unknown) => boolean) {
  const { [name]: value = null } = fields
  if (value !== null && !isRight(value)) throw invalidValue(name, `${name} must be ${form}`)
}

export const MAX_PAIRS = 16
export const MAX_KEY = 64
export const MAX_VALUE = 512

function checkMetadata(metadata: Fields): void {
  const pairs = Object.entries(metadata)
  if (pairs.length > MAX_PAIRS) {
    throw invalidValue('metadata', `metadata can have at most ${MAX_PAIRS} keys`)
  }
  for (const [key, value] of pairs) {
    if (isLongerThan(key, MAX_KEY)) {
      throw invalidValue('metadata', `a key of metadata can have at most ${MAX_KEY} characters`)
    }
    if (typeof value !== 'string' || isLongerThan(value, MAX_VALUE)) {
      const form = `a text of at most ${MAX_VALUE} characters`
      throw invalidValue(`metadata.${key}`, `a value of metadata must be ${form}`)
    }
  }
}

/** Counts characters and not halves of them. A text of more halves than twice the limit is not counted. */
const isLongerThan = (text: string, limit: number): boolean =>
  text.length > limit && (text.length > 2 * limit || Array.from(text).length > limit)

/**
 * These parts are stored, so they are written as JSON again, and JSON.stringify overflows the
 * stack at some thousand levels. No schema that an engine can follow is nested as deep as this.
 */
const MAX_DEPTH = 512

/** Without recursion, because the text may be nested as deep as the client likes. */
function isDeeperThan(value: unknown, limit: number): boolean {
  const isNested = (one: unknown) => typeof one === 'object' && one !== null
  let level = [value].filter(isNested)
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > limit) return true
    level = level.flatMap((one) => Object.values(one as object).filter(isNested))
  }
  return false
}

/** Fields that change neither the answer nor what can be read of it. */
const WITHOUT_EFFECT = [
  'max_tool_calls',
  'moderation',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'safety_identifier',
]

function ignoredIn(fields: Fields): string[] {
  const names = WITHOUT_EFFECT.filter((name) => isGiven(fields[name]))
  if (fields.truncation === 'auto') names.push('truncation')
  if (typeof fields.n === 'number' && fields.n > 1) names.push('n')
  const { summary = null } = (fields.reasoning ?? {}) as Fields
  if (summary !== null) names.push('reasoning.summary')
  const include = (fields.include ?? []) as readonly unknown[]
  const { top_logprobs: most } = fields
  if (typeof most === 'number' && most > 0 && !wantsLogprobs(fields)) names.push('top_logprobs')
  return [...names, ...include.flatMap((one, at) => (one === LOGPROBS ? [] : [`include[${at}]`]))]
}

/** Engines refuse `top_logprobs` without `logprobs`, which here is an entry of `include`. */
export const wantsLogprobs = ({ include, logprobs }: Fields): boolean =>
  logprobs === true || (Array.isArray(include) && include.includes(LOGPROBS))

const ignoredItems = (items: readonly Item[]): string[] =>
  items.flatMap(({ type }, at) => (KNOWN_ITEMS.has(type) ? [] : [`input[${at}].type`]))

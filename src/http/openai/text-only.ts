import { OpenAiError } from './openai-errors.ts'
import { CHAT, EMBEDDINGS } from './openai-request.ts'
import { stopWordsIn, temperatureIn, tokensLimitIn } from './text-fields.ts'
import type { Endpoint, OpenAiRequest } from './openai-request.ts'

type Fields = OpenAiRequest['fields']

const isFilled = (value: unknown): boolean => Array.isArray(value) && value.length > 0
const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false
const isAbove = (value: unknown, limit: number): boolean =>
  typeof value === 'number' && value > limit
const isJson = (format: unknown): boolean => {
  const type = (format as { type?: unknown } | null | undefined)?.type
  return typeof type === 'string' && type.startsWith('json')
}

/** What an answer of text alone would answer wrongly, by the name of the field. */
const REFUSED: Readonly<Record<string, (value: unknown, fields: Fields) => boolean>> = {
  tools: (tools, { tool_choice }) => isFilled(tools) && tool_choice !== 'none',
  functions: (functions, { function_call }) => isFilled(functions) && function_call !== 'none',
  response_format: isJson,
  n: (n) => isAbove(n, 1),
  logprobs: (logprobs) => logprobs === true || isAbove(logprobs, 0),
  audio: isSet,
  modalities: (modalities) => Array.isArray(modalities) && modalities.includes('audio'),
}
const REFUSED_OF_COMPLETIONS: typeof REFUSED = {
  echo: (echo) => echo === true,
  suffix: (suffix) => typeof suffix === 'string' && suffix !== '',
}

/** Refuses, by the name of the field, what a worker would answer wrongly that takes text and gives text. */
export function refuseBeyondText({ endpoint, fields, model }: OpenAiRequest): void {
  if (endpoint === EMBEDDINGS) {
    const message = `the model '${model}' gives text and no embeddings`
    throw new OpenAiError(400, message, { param: 'model', code: 'unsupported_parameter' })
  }
  const rules = endpoint === CHAT ? REFUSED : { ...REFUSED, ...REFUSED_OF_COMPLETIONS }
  for (const [param, isRefused] of Object.entries(rules)) {
    if (!isRefused(fields[param], fields)) continue
    const message = `the model '${model}' gives plain text: it cannot follow ${param}`
    throw new OpenAiError(400, message, { param, code: 'unsupported_parameter' })
  }
}

const TAKEN = ['model', 'stream', 'stream_options', 'service_tier']
const TAKEN_BY: Readonly<Record<Endpoint, readonly string[]>> = {
  '/v1/chat/completions': ['messages'],
  '/v1/completions': ['prompt'],
  '/v1/embeddings': [],
}
/** With these values a field asks for nothing that a worker of text does not do anyway. */
const USUAL: Readonly<Record<string, readonly unknown[]>> = {
  n: [1],
  best_of: [1],
  logprobs: [0],
  top_logprobs: [0],
  top_p: [1],
  frequency_penalty: [0],
  presence_penalty: [0],
  tool_choice: ['none', 'auto'],
  function_call: ['none', 'auto'],
}

/** The fields that had no effect, as the value of `x-ignored-parameters`. Undefined where there are none. */
export function ignoredIn({ endpoint, fields, isVerbatim }: OpenAiRequest): string | undefined {
  if (isVerbatim) return undefined
  const taken = new Set([...TAKEN, ...TAKEN_BY[endpoint]])
  if (temperatureIn(fields) !== undefined) taken.add('temperature')
  if (stopWordsIn(fields) !== undefined) taken.add('stop')
  if (tokensLimitIn(fields) !== undefined) taken.add('max_tokens').add('max_completion_tokens')
  const names = new Set<string>()
  for (const [name, value] of Object.entries(fields)) {
    if (!taken.has(name) && asksFor(name, value)) names.add(encoded(name))
  }
  if (endpoint === CHAT) for (const name of ignoredInMessages(fields.messages)) names.add(name)
  return names.size === 0 ? undefined : listOf(names)
}

function* ignoredInMessages(messages: unknown): Generator<string> {
  if (!Array.isArray(messages)) return
  for (const message of messages as unknown[]) {
    for (const [name, value] of Object.entries(message ?? {})) {
      if (name !== 'role' && name !== 'content' && asksFor(name, value)) {
        yield `messages[].${encoded(name)}`
      }
    }
  }
}

function asksFor(name: string, value: unknown): boolean {
  if (!isSet(value)) return false
  if (Object.hasOwn(USUAL, name) && (USUAL[name] as unknown[]).includes(value)) return false
  if (name === 'response_format') return (value as { type?: unknown }).type !== 'text'
  if (name === 'modalities' && Array.isArray(value)) return value.some((mode) => mode !== 'text')
  return typeof value !== 'object' || Object.keys(value as object).length > 0
}

/** What is named at most: a client chooses how many fields it sends, and how long their names are. */
const MAX_NAMES = 20
const MAX_NAME = 40

/** Letters, digits, `_` and `-` stay, so that a name can break nothing in the header. */
const encoded = (name: string): string =>
  [...Buffer.from(name.slice(0, MAX_NAME))]
    .map((byte) => {
      const character = String.fromCodePoint(byte)
      const hex = byte.toString(16).toUpperCase().padStart(2, '0')
      return /[\w-]/.test(character) ? character : `%${hex}`
    })
    .join('') + (name.length > MAX_NAME ? '...' : '')

function listOf(names: ReadonlySet<string>): string {
  const shown = [...names].slice(0, MAX_NAMES)
  return [...shown, ...(names.size > MAX_NAMES ? ['...'] : [])].join(', ')
}

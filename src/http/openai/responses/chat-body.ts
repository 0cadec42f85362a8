import { elementsOf, sourceAt, withMembers } from '../../../json-source.ts'
import { chatSourceOf, messagesOf, textMessage } from './chat-messages.ts'
import { paramMapper } from './response-params.ts'
import { wantsLogprobs } from './response-request.ts'
import { nestedFields } from './response-tools.ts'
import type { ChatMessage, PlacedItem } from './chat-messages.ts'
import type { MapParam } from './response-params.ts'
import type { ResponseRequest } from './response-request.ts'
import type { Item } from './response-types.ts'

/** A request as the body of a chat completion, which every worker can be asked for. */
export interface ChatBody {
  readonly source: string
  /** Names the field of the request that a field of the chat body was made of. */
  readonly responseParam: MapParam
}

/**
 * Fields of the Responses API that mean nothing to the chat API, or something else. All others
 * go on to the engine as they are, also those that only the engine knows. A response has one
 * output, so `n` is not sent.
 */
const NOT_SENT = [
  'background',
  'context_management',
  'conversation',
  'include',
  'input',
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'moderation',
  'n',
  'previous_response_id',
  'prompt',
  'prompt_cache_key',
  'prompt_cache_options',
  'prompt_cache_retention',
  'reasoning',
  'safety_identifier',
  'store',
  'stream',
  'stream_options',
  'text',
  'tool_choice',
  'tools',
  'truncation',
]

/** Fields of both APIs that a client may leave open by null. Some engines refuse that. */
const NULLABLE = [
  'frequency_penalty',
  'parallel_tool_calls',
  'presence_penalty',
  'service_tier',
  'temperature',
  'top_logprobs',
  'top_p',
  'user',
]

/** `earlier` are the items of the responses that the request continues. */
export function chatBody(request: ResponseRequest, earlier: readonly Item[]): ChatBody {
  const { source, tools } = request
  const messages = chatMessages(request, earlier)
  const renamed = renamedFields(request)
  const open = NULLABLE.filter((name) => request.fields[name] === null)
  const changes = {
    ...Object.fromEntries([...NOT_SENT, ...open].map((name) => [name, undefined])),
    ...(tools.tools === undefined && { parallel_tool_calls: undefined }),
    ...(!wantsLogprobs(request.fields) && { top_logprobs: undefined }),
    ...Object.fromEntries(renamed.map(({ name, value }) => [name, value])),
    ...(tools.tools !== undefined && { tools: tools.tools }),
    ...(tools.toolChoice !== undefined && { tool_choice: tools.toolChoice }),
    messages: `[${messages.map(chatSourceOf).join(',')}]`,
  }
  const names = new Map(renamed.map(({ name, param }) => [name, param]))
  return {
    source: withMembers(source, changes),
    responseParam: paramMapper(names, messages, tools.places),
  }
}

function chatMessages(request: ResponseRequest, earlier: readonly Item[]): ChatMessage[] {
  const { instructions } = request.echo
  const messages = messagesOf(placedItems(request, earlier))
  // A template of a model without any message to answer is an error in most engines.
  const isEmpty = messages.every(({ role }) => role === 'system' || role === 'developer')
  return [
    ...(instructions ? [textMessage('system', instructions, 'instructions')] : []),
    ...messages,
    ...(isEmpty ? [textMessage('user', '', 'input')] : []),
  ]
}

function* placedItems(
  { sources, fields, input }: ResponseRequest,
  earlier: readonly Item[],
): Generator<PlacedItem> {
  for (const item of earlier) yield { item, path: 'previous_response_id' }
  const isList = Array.isArray(fields.input)
  // Few requests have a part that is sent on as source text, and to cut a long list takes time.
  let elements: readonly string[] | undefined
  const sourceOf = (at: number) => (elements ??= elementsOf(sources.get('input') ?? '[]'))[at]
  for (const [at, item] of input.entries()) {
    if (isList) yield { item, path: `input[${at}]`, source: () => sourceOf(at) }
    else yield { item, path: 'input' }
  }
}

/** A field that has another name in the chat API. Undefined removes it. */
interface Renamed {
  readonly name: string
  readonly value: string | undefined
  /** The name that the client knows. */
  readonly param: string
}

/** Its source text; undefined where it is not there or null. */
function givenAt(
  { sources }: ResponseRequest,
  [name = '', ...inner]: readonly string[],
): string | undefined {
  const source = sources.get(name)
  const value = source && sourceAt(source, inner)
  return value === 'null' ? undefined : value
}

function renamedFields(request: ResponseRequest): Renamed[] {
  const { fields } = request
  const renamed: Renamed[] = []
  const rename = (path: readonly string[], name: string) => {
    const value = givenAt(request, path)
    if (value !== undefined) renamed.push({ name, value, param: path.join('.') })
  }
  rename(['text', 'verbosity'], 'verbosity')
  rename(['reasoning', 'effort'], 'reasoning_effort')
  const limit = givenAt(request, ['max_output_tokens'])
  if (limit !== undefined) {
    const param = 'max_output_tokens'
    // Of the two names in the chat API, Ollama ignores max_completion_tokens, and vLLM, SGLang and
    // llama.cpp take both. https://github.com/ollama/ollama/issues/7125
    renamed.push({ name: 'max_tokens', value: limit, param })
    renamed.push({ name: 'max_completion_tokens', value: undefined, param })
  }
  if (wantsLogprobs(fields) && fields.logprobs !== true) {
    renamed.push({ name: 'logprobs', value: 'true', param: 'include' })
  }
  const format = formatSource(request)
  if (format !== undefined) {
    renamed.push({ name: 'response_format', value: format, param: 'text.format' })
  }
  return renamed
}

function formatSource(request: ResponseRequest): string | undefined {
  const format = givenAt(request, ['text', 'format'])
  if (format === undefined) return undefined
  const { type, json_schema: nested } = JSON.parse(format) as Record<string, unknown>
  if (type === 'text') return undefined
  if (type !== 'json_schema' || nested !== undefined) return format
  return `{"type":"json_schema","json_schema":${nestedFields(format)}}`
}

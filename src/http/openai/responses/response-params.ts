import { OpenAiError } from '../openai-errors.ts'
import type { ChatMessage } from './chat-messages.ts'

export type MapParam = (param: string) => string

/** The fields of nested objects of the chat API by the names that they have here. */
const INNER: Readonly<Record<string, string>> = {
  '.function.name': '.name',
  '.function.arguments': '.arguments',
  '.image_url.url': '.image_url',
  '.image_url.detail': '.detail',
  '.id': '.call_id',
}

/**
 * Names a field of a chat body by the field of the request that it was made of. `names` are the
 * fields that have another name here. `places` are those of the tools in the request.
 */
export function paramMapper(
  names: ReadonlyMap<string, string>,
  messages: readonly ChatMessage[],
  places: readonly number[],
): MapParam {
  // The mapper lives as long as the request, and the contents may be large.
  const paths = messages.map(({ path, contentPath, calls }) => ({
    path,
    contentPath,
    calls: calls.map((call) => ({ path: call.path })),
  }))
  return (param) => {
    // Engines write an index in both ways.
    const [, head = '', index, rest = ''] =
      /^([^.[]+)(?:\[(\d+)\])?(.*)$/s.exec(param.replaceAll(/\.(\d+)(?=[.[]|$)/g, '[$1]')) ?? []
    const at = Number(index ?? Number.NaN)
    if (head === 'messages') {
      const message = paths[at]
      return message === undefined ? 'input' : partOf(message, rest)
    }
    if (head === 'tools') {
      const place = places[at]
      return place === undefined ? 'tools' : `tools[${place}]${rest.replace(/^\.function/, '')}`
    }
    if (head === 'tool_choice') return head + rest.replace(/^\.function/, '')
    const name = names.get(head)
    if (name === undefined) return param
    return name + rest.replace(/^\.json_schema/, '')
  }
}

interface MessagePaths extends Pick<ChatMessage, 'path' | 'contentPath'> {
  readonly calls: readonly { readonly path: string }[]
}

function partOf({ path, contentPath, calls }: MessagePaths, rest: string): string {
  const [, call, ofCall = ''] = /^\.tool_calls\[(\d+)\](.*)$/s.exec(rest) ?? []
  if (call !== undefined) {
    const { path: callPath } = calls[Number(call)] ?? { path }
    return isInList(callPath) ? callPath + (INNER[ofCall] ?? '') : callPath
  }
  if (!isInList(path)) return path
  const [, part, ofPart = ''] = /^\.content(?:\[(\d+)\](.*))?$/s.exec(rest) ?? [undefined, '']
  if (rest.startsWith('.content')) {
    const inner = ofPart === '.text' ? ofPart : (INNER[ofPart] ?? '')
    return part === undefined ? contentPath : `${contentPath}[${part}]${inner}`
  }
  if (rest === '.tool_call_id') return `${path}.call_id`
  return rest === '.role' ? path + rest : path
}

/** Only an item of a list has fields that an error can name. */
export const isInList = (path: string): boolean => path.startsWith('input[')

/** A part has another type in the chat API, and an error may repeat it. */
const TYPES: Readonly<Record<string, string>> = { image_url: 'input_image' }

/** The error of a chat request, in the terms of the request that the client sent. */
export function inResponseTerms(error: OpenAiError, responseParam: MapParam): OpenAiError {
  const { status, message, object, retryAfterS } = error
  const { type, param, code } = object
  if (param === null) return error
  const named = responseParam(param)
  const words = message
    .replaceAll(wordsOf(param), () => named)
    .replace(/(?<=\ba part )(\w+)/, (word) =>
      Object.hasOwn(TYPES, word) ? (TYPES[word] as string) : word,
    )
  return new OpenAiError(status, words, { type, param: named, code, retryAfterS })
}

/** Not within a longer name. */
const wordsOf = (name: string): RegExp =>
  new RegExp(`(?<![\\w.])${name.replaceAll(/[^\w\s]/g, String.raw`\$&`)}(?!\\w)`, 'g')

/** What a field of a message is here, where only its kind is named. */
const OF_MESSAGES: Readonly<Record<string, string>> = {
  'messages[].tool_calls': 'input[].function_call',
  'messages[].tool_call_id': 'input[].call_id',
  'messages[].reasoning_content': 'input[].reasoning',
}

/** What is named at most: a client chooses how many tools and items it sends. */
const MAX_NAMES = 20
const MORE = '...'

/** The value of `x-ignored-parameters`. `ofChat` is what the chat request has as its value. */
export function ignoredNames(
  ignored: readonly string[],
  ofChat: string | undefined,
  responseParam: MapParam,
): string | undefined {
  const chat = (ofChat?.split(', ') ?? []).map((name) =>
    name.startsWith('messages[]')
      ? (OF_MESSAGES[name] ?? name.replace('messages', 'input'))
      : responseParam(name),
  )
  const names = new Set([...ignored, ...chat])
  const hasMore = names.delete(MORE) || names.size > MAX_NAMES
  if (names.size === 0) return undefined
  return [...Array.from(names).slice(0, MAX_NAMES), ...(hasMore ? [MORE] : [])].join(', ')
}

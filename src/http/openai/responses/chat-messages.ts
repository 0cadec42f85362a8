import { elementsOf, sourceAt } from '../../../json-source.ts'
import { isObject } from '../json-fields.ts'
import { isInList } from './response-params.ts'
import type { Fields } from '../json-fields.ts'
import type { Item } from './response-types.ts'

/** An item, and where in the request it is. */
export interface PlacedItem {
  readonly item: Item
  /** As an error names it. */
  readonly path: string
  /** Its source text. Not there where the item is not one of the request's list. */
  readonly source?: GetSource
}

/** A chat message that is put together, and where in the request its parts are. */
export interface ChatMessage {
  readonly role: string
  /** As source text. */
  readonly content: string
  readonly path: string
  /** Where its content is. */
  readonly contentPath: string
  readonly callId?: string
  readonly reasoning: string[]
  readonly calls: { readonly source: string; readonly path: string }[]
}

/** The message as source text. */
export function chatSourceOf({ role, content, callId, reasoning, calls }: ChatMessage): string {
  const members = [`"role":${JSON.stringify(role)}`, `"content":${content}`]
  if (callId !== undefined) members.push(`"tool_call_id":${JSON.stringify(callId)}`)
  if (reasoning.length > 0) {
    members.push(`"reasoning_content":${JSON.stringify(reasoning.join('\n'))}`)
  }
  if (calls.length > 0) {
    members.push(`"tool_calls":[${calls.map(({ source }) => source).join(',')}]`)
  }
  return `{${members.join(',')}}`
}

export const textMessage = (role: string, text: string, path: string): ChatMessage => ({
  role,
  content: JSON.stringify(text),
  path,
  contentPath: path,
  reasoning: [],
  calls: [],
})

/**
 * Items as chat messages. The chat API has calls and reasoning in the assistant's message, so
 * neighbouring items become one message there. Reasoning that no such message follows is lost.
 */
export function messagesOf(items: Iterable<PlacedItem>): ChatMessage[] {
  const messages: ChatMessage[] = []
  let reasoning: string[] = []
  for (const placed of items) {
    const { item, path } = placed
    if (item.type === 'reasoning') append(reasoning, reasoningText(item))
    else if (item.type === 'function_call') {
      const message = assistantAtEnd(messages, path)
      append(message.reasoning, reasoning)
      message.calls.push({ source: callSource(item), path })
      reasoning = []
    } else {
      const message = messageOf(placed)
      if (message === undefined) continue
      if (message.role === 'assistant') append(message.reasoning, reasoning)
      messages.push(message)
      reasoning = []
    }
  }
  return messages
}

/** As arguments of `push`, a client's list could be longer than the stack. */
function append<T>(list: T[], more: readonly T[]): void {
  for (const each of more) list.push(each)
}

/** Templates of many models want no two messages of the assistant in a row, and its calls in one. */
function assistantAtEnd(messages: ChatMessage[], path: string): ChatMessage {
  const last = messages.at(-1)
  if (last?.role === 'assistant') return last
  const message = { ...textMessage('assistant', '', path), content: 'null' }
  messages.push(message)
  return message
}

function messageOf({ item, path, source }: PlacedItem): ChatMessage | undefined {
  const base = { path, reasoning: [], calls: [] }
  if (item.type === 'message') {
    const content = contentSource(item.content, fieldSource(source, 'content'))
    return { ...base, role: String(item.role), content, contentPath: pathOf(path, 'content') }
  }
  if (item.type !== 'function_call_output') return undefined
  const content = contentSource(item.output, fieldSource(source, 'output'))
  const callId = String(item.call_id)
  return { ...base, role: 'tool', content, contentPath: pathOf(path, 'output'), callId }
}

const pathOf = (path: string, field: string): string => (isInList(path) ? `${path}.${field}` : path)

const reasoningText = ({ content, summary }: Item): string[] => {
  const texts = textsIn(content)
  return texts.length > 0 ? texts : textsIn(summary)
}

const textsIn = (parts: unknown): string[] =>
  (Array.isArray(parts) ? (parts as unknown[]) : [])
    .map((part) => (isObject(part) ? part.text : undefined))
    .filter((text): text is string => typeof text === 'string' && text !== '')

const callSource = ({ call_id: id, name, arguments: given }: Item): string =>
  JSON.stringify({ id, type: 'function', function: { name, arguments: given } })

type GetSource = () => string | undefined

const fieldSource =
  (source: GetSource | undefined, name: string): GetSource =>
  () => {
    const item = source?.()
    return item && sourceAt(item, [name])
  }

/** A single text stays a text, because not every template of a model reads parts. */
function contentSource(content: unknown, source: GetSource): string {
  if (typeof content === 'string') return JSON.stringify(content)
  const parts = (Array.isArray(content) ? content : []) as readonly Fields[]
  const [only, ...others] = parts
  if (only === undefined) return '""'
  const text = textOf(only)
  if (others.length === 0 && text !== undefined) return JSON.stringify(text)
  let elements: readonly string[] | undefined
  const sourceOf = (at: number) => (elements ??= elementsOf(source() ?? '[]'))[at]
  return `[${parts.map((part, at) => partSource(part, () => sourceOf(at))).join(',')}]`
}

/** What a model refused is part of what it said. Engines know no parts of type refusal. */
function textOf({ type, text, refusal }: Fields): string | undefined {
  if (type === 'refusal' && typeof refusal === 'string') return refusal
  const isText = type === 'input_text' || type === 'output_text' || type === 'text'
  return isText && typeof text === 'string' ? text : undefined
}

/** A part of another kind goes to the engine as it is, which may know it. */
function partSource(part: Fields, source: GetSource): string {
  const text = textOf(part)
  if (text !== undefined) return JSON.stringify({ type: 'text', text })
  if (part.type !== 'input_image') return source() ?? JSON.stringify(part)
  const { image_url: image, detail } = part
  const url = isObject(image) ? image : { url: image }
  const more = detail === undefined || detail === null ? {} : { detail }
  return JSON.stringify({ type: 'image_url', image_url: { ...more, ...url } })
}

import { isObject } from '../upstream/error-text.ts'
import { invalid } from './invalid-request.ts'

/** The text of a message. Parts that are no text, such as images, are left out. */
export function messageText(message: unknown, at: number): string {
  const param = `messages[${at}]`
  if (!isObject(message)) throw invalid(param, 'must be an object')
  const { role, content } = message
  if (typeof role !== 'string') throw invalid(`${param}.role`, 'must be a string')
  if (typeof content === 'string') return content
  if (content === undefined || content === null) return ''
  if (!Array.isArray(content)) throw invalid(`${param}.content`, 'must be a string or a list')
  const texts = content.map((part: unknown) => (isObject(part) ? part.text : part))
  return texts.filter((text) => typeof text === 'string').join('')
}

/** The text of the last message of the user; empty where there is none. */
export function userText(messages: readonly unknown[], texts: readonly string[]): string {
  const at = messages.findLastIndex((message) => isObject(message) && message.role === 'user')
  return texts[at] ?? ''
}

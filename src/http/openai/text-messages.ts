import { CHAT } from './openai-request.ts'
import { OpenAiError, invalidValue } from './openai-errors.ts'
import type { Message } from '../../job.ts'
import type { OpenAiRequest } from './openai-request.ts'

/**
 * `strict`: what cannot be said as text is refused, because the worker gets nothing else.
 * `lenient`: it is left out, because the worker gets the whole body as well.
 */
type Mode = 'strict' | 'lenient'

/** The request as messages of text, for workers that take nothing else. */
export function textMessages(request: OpenAiRequest, mode: Mode): readonly Message[] {
  const { endpoint, fields } = request
  const messages = endpoint === CHAT ? chat(fields.messages, mode) : prompt(fields.prompt, mode)
  if (messages.length === 0 && mode === 'strict') {
    throw invalidValue('messages', 'messages must be a list with at least one message')
  }
  return messages
}

function chat(messages: unknown, mode: Mode): readonly Message[] {
  if (!Array.isArray(messages)) return []
  return messages.flatMap((message: unknown, index): Message[] => {
    const param = `messages[${index}]`
    if (typeof message === 'object' && message !== null) return [text(message, param, mode)]
    if (mode === 'lenient') return []
    throw invalidValue(param, 'a message must be an object')
  })
}

function text(message: object, param: string, mode: Mode): Message {
  const { role, content } = message as Record<string, unknown>
  const name = typeof role === 'string' ? role : 'user'
  return {
    role: name === 'developer' ? 'system' : name,
    content: contentText(content, `${param}.content`, mode),
  }
}

function contentText(content: unknown, param: string, mode: Mode): string {
  if (typeof content === 'string') return content
  if (content === undefined || content === null) return ''
  if (Array.isArray(content)) {
    return content.map((part: unknown, at) => partText(part, `${param}[${at}]`, mode)).join('')
  }
  if (mode === 'lenient') return ''
  throw invalidValue(param, 'content must be a text or a list of parts')
}

function partText(part: unknown, param: string, mode: Mode): string {
  if (typeof part === 'string') return part
  const { type, text: words, refusal } = (part ?? {}) as Record<string, unknown>
  if (typeof words === 'string') return words
  if (typeof refusal === 'string') return refusal
  if (mode === 'lenient') return ''
  const kind = typeof type === 'string' ? type : 'of this form'
  throw new OpenAiError(400, `the model takes only text: a part ${kind} would be lost`, {
    param,
    code: 'unsupported_parameter',
  })
}

/** A list of one prompt is that prompt. Further ones, and tokens, are no single text. */
function prompt(given: unknown, mode: Mode): readonly Message[] {
  const prompts: readonly unknown[] = Array.isArray(given) ? given : [given]
  const [only] = prompts
  if (prompts.length === 1 && typeof only === 'string') return [{ role: 'user', content: only }]
  if (mode === 'lenient') return []
  throw new OpenAiError(400, 'the model takes one prompt, as text', {
    param: 'prompt',
    code: 'unsupported_parameter',
  })
}

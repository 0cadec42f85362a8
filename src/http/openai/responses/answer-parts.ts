import { isObject } from '../json-fields.ts'
import type { Fields } from '../json-fields.ts'

/** How likely the model found a token, in the form of the Responses API. */
export interface Logprob {
  readonly token: string
  readonly bytes: readonly number[]
  readonly logprob: number
  readonly top_logprobs: readonly Omit<Logprob, 'top_logprobs'>[]
}

/** A piece of a function call, or the whole of it. What the engine did not say is ''. */
export interface CallPiece {
  /** Which of the calls it belongs to. The older `function_call` has one call and no number. */
  readonly index: number | 'legacy' | undefined
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/** What a delta of a chunk says, or a whole message. What it does not say is empty. */
export interface AnswerParts {
  readonly reasoning: string
  readonly text: string
  readonly logprobs: readonly Logprob[]
  readonly refusal: string
  readonly calls: readonly CallPiece[]
}

const NOTHING: AnswerParts = { reasoning: '', text: '', logprobs: [], refusal: '', calls: [] }

export const textParts = (text: string): AnswerParts => ({ ...NOTHING, text })

export const saysNothing = ({ reasoning, text, refusal, calls }: AnswerParts): boolean =>
  reasoning === '' && text === '' && refusal === '' && calls.length === 0

/** The parts of a `delta` or a `message`. Engines leave out fields, and have null in others. */
export function partsOf(said: unknown, logprobs: unknown): AnswerParts {
  if (!isObject(said)) return NOTHING
  const text = textOf(said.content, ['text', 'output_text'])
  return {
    reasoning: reasoningOf(said),
    text,
    logprobs: text === '' ? [] : logprobsOf(logprobs),
    refusal: stringOf(said.refusal) || textOf(said.content, ['refusal']),
    calls: callsOf(said),
  }
}

const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Engines name the thoughts of a model in several ways, and some of them say all twice. */
const reasoningOf = ({ reasoning, reasoning_content: older, content }: Fields): string =>
  stringOf(reasoning) || stringOf(older) || textOf(content, ['thinking'])

/** The text of a content, which is a string, one part or a list of parts. */
function textOf(content: unknown, types: readonly string[]): string {
  if (typeof content === 'string') return types.includes('text') ? content : ''
  const parts: readonly unknown[] = Array.isArray(content) ? content : [content]
  return parts.map((part) => textOfPart(part, types)).join('')
}

function textOfPart(part: unknown, types: readonly string[]): string {
  if (typeof part === 'string') return types.includes('text') ? part : ''
  if (!isObject(part)) return ''
  const { type = 'text', text } = part
  if (typeof type !== 'string' || !types.includes(type)) return ''
  if (isObject(text)) return stringOf(text.value)
  const own = part[type]
  // Mistral's thoughts are a list of texts again.
  if (type === 'thinking' && Array.isArray(own)) return textOf(own, ['text'])
  return stringOf(text) || stringOf(own)
}

function callsOf({ tool_calls: calls, function_call: legacy }: Fields): CallPiece[] {
  const pieces = (Array.isArray(calls) ? calls : [])
    .filter(isObject)
    .map(({ index, id, function: called }): CallPiece => {
      return { index: typeof index === 'number' ? index : undefined, ...callOf(called, id) }
    })
    .filter(saysSomething)
  // An engine that tells its calls in both ways has said this one already.
  if (pieces.length > 0) return pieces
  const piece: CallPiece = { index: 'legacy', ...callOf(legacy, undefined) }
  return saysSomething(piece) ? [piece] : []
}

const saysSomething = ({ id, name, arguments: given }: CallPiece): boolean =>
  id !== '' || name !== '' || given !== ''

function callOf(called: unknown, id: unknown): Omit<CallPiece, 'index'> {
  const { name, arguments: given } = isObject(called) ? called : {}
  return { id: stringOf(id), name: stringOf(name), arguments: argumentsOf(given) }
}

function argumentsOf(given: unknown): string {
  if (given === undefined || given === null) return ''
  if (typeof given === 'string') return given
  try {
    return JSON.stringify(given)
  } catch {
    // It is nested too deeply to be written again.
    return ''
  }
}

function logprobsOf(logprobs: unknown): Logprob[] {
  const { content } = isObject(logprobs) ? logprobs : {}
  if (!Array.isArray(content)) return []
  return content.flatMap((entry: unknown) => {
    const token = tokenOf(entry)
    if (token === undefined || !isObject(entry)) return []
    const { top_logprobs: top } = entry
    const others = (Array.isArray(top) ? top : []).flatMap((other) => tokenOf(other) ?? [])
    return [{ ...token, top_logprobs: others }]
  })
}

function tokenOf(entry: unknown): Omit<Logprob, 'top_logprobs'> | undefined {
  if (!isObject(entry)) return undefined
  const { token, logprob, bytes } = entry
  if (typeof token !== 'string' || typeof logprob !== 'number') return undefined
  const numbers = (Array.isArray(bytes) ? bytes : []).filter((byte) => typeof byte === 'number')
  return { token, bytes: numbers, logprob }
}

import { createHash } from 'node:crypto'
import { isObject } from '../upstream/error-text.ts'
import { messageText, userText } from './chat-messages.ts'
import { failOnDemand, invalid } from './invalid-request.ts'
import { jsonContent } from './json-content.ts'
import { wordsOf } from './pace.ts'
import { choiceCount, maxTokens, modelIn } from './request-fields.ts'
import { toolCallOf } from './tool-call.ts'
import type { EchoAnswer, EchoChoice } from './echo-answer.ts'
import type { Fields } from './request-fields.ts'

/** A token of a choice, by the part of the message that it belongs to. */
interface Token {
  readonly of: 'reasoning' | 'content' | 'name' | 'arguments'
  readonly text: string
}

/** Answers `/v1/chat/completions`: with a tool call, JSON or the last words of the user. */
export function chatAnswer(fields: Fields, jobId: string): EchoAnswer {
  const { messages } = fields
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid('messages', 'must be a list with at least one message')
  }
  const texts = messages.map((message: unknown, at) => messageText(message, at))
  const words = userText(messages, texts)
  failOnDemand(words)
  const reasoning = reasoningFor(fields, words)
  const count = choiceCount(fields)
  const most = maxTokens(fields)
  const { tokens, finishReason } = saidOf(fields, messages, words)
  const all = [...reasoning, ...tokens]
  const cut = { tokens: all.slice(0, most), reason: all.length > most ? 'length' : finishReason }
  const isCall = tokens.some(({ of }) => of === 'name')
  const choices = Array.from({ length: count }, (_, index) => {
    const callId = `call_${createHash('sha256').update(`${jobId} ${index}`).digest('hex').slice(0, 24)}`
    return choiceOf({ index, callId: isCall ? callId : undefined }, cut.tokens, cut.reason)
  })
  const thought = cut.tokens.filter(({ of }) => of === 'reasoning').length
  return {
    id: `chatcmpl-${jobId}`,
    model: modelIn(fields),
    object: { whole: 'chat.completion', chunk: 'chat.completion.chunk' },
    choices,
    promptTokens: texts.reduce((sum, text) => sum + wordsOf(text).length, 0),
    reasoningTokens: count * thought,
  }
}

function reasoningFor({ reasoning_effort: effort }: Fields, words: string): readonly Token[] {
  if (effort === undefined || effort === null || effort === 'none') return []
  if (typeof effort !== 'string') throw invalid('reasoning_effort', 'must be a string')
  return wordsOf(`The user says: ${words}`).map((text) => ({ of: 'reasoning', text }))
}

function saidOf(
  fields: Fields,
  messages: readonly unknown[],
  words: string,
): { tokens: readonly Token[]; finishReason: string } {
  const call = toolCallOf(fields, words)
  const json = jsonContent(fields.response_format, words)
  const last = messages.at(-1)
  if (call !== undefined && isObject(last) && last.role === 'user') {
    const given = piecesOf(call.arguments).map((text) => ({ of: 'arguments', text }) as const)
    return { tokens: [{ of: 'name', text: call.name }, ...given], finishReason: 'tool_calls' }
  }
  const pieces = json === undefined ? wordsOf(`echo: ${words}`) : piecesOf(json)
  return { tokens: pieces.map((text) => ({ of: 'content', text })), finishReason: 'stop' }
}

/** JSON has few spaces. It comes in pieces of some characters, and always in more than one. */
function piecesOf(json: string): readonly string[] {
  const length = Math.min(8, Math.ceil(json.length / 2))
  return json.match(new RegExp(`.{1,${length}}`, 'gsu')) ?? []
}

interface ChoiceNames {
  readonly index: number
  /** Of a choice that calls a tool. */
  readonly callId: string | undefined
}

function choiceOf(
  { index, callId }: ChoiceNames,
  tokens: readonly Token[],
  finishReason: string,
): EchoChoice {
  const isCall = callId !== undefined
  const textOf = (part: Token['of']): string =>
    tokens
      .filter(({ of }) => of === part)
      .map(({ text }) => text)
      .join('')
  const reasoning = textOf('reasoning')
  const call = { name: textOf('name'), arguments: textOf('arguments') }
  const role = 'assistant'
  return {
    index,
    opening: { delta: { role, content: isCall ? null : '' } },
    pieces: tokens.map((token) => ({
      text: token.of === 'content' ? token.text : '',
      fields: { delta: deltaOf(token, callId) },
    })),
    closing: { delta: {} },
    whole: {
      message: {
        role,
        ...(reasoning !== '' && { reasoning }),
        content: isCall ? null : textOf('content'),
        ...(call.name !== '' && { tool_calls: [{ id: callId, type: 'function', function: call }] }),
      },
    },
    finishReason,
  }
}

function deltaOf({ of, text }: Token, id: string | undefined): Fields {
  switch (of) {
    case 'reasoning':
    case 'content':
      return { [of]: text }
    case 'name': {
      const call = { index: 0, id, type: 'function', function: { name: text, arguments: '' } }
      return { tool_calls: [call] }
    }
    case 'arguments':
      return { tool_calls: [{ index: 0, function: { arguments: text } }] }
  }
}

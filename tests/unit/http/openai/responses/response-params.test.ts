import { describe, expect, test } from 'vitest'
import { OpenAiError, invalidValue } from '../../../../../src/http/openai/openai-errors.ts'
import { jobOf } from '../../../../../src/http/openai/openai-job.ts'
import { CHAT } from '../../../../../src/http/openai/openai-request.ts'
import { ignoredIn } from '../../../../../src/http/openai/text-only.ts'
import { chatBody } from '../../../../../src/http/openai/responses/chat-body.ts'
import {
  ignoredNames,
  inResponseTerms,
} from '../../../../../src/http/openai/responses/response-params.ts'
import { readResponse, refusalOf } from '../../../../support/responses.ts'
import type { OpenAiRequest } from '../../../../../src/http/openai/openai-request.ts'

const image = { type: 'input_image', image_url: 'x' }
const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })

/** The chat request of such a body, for a worker that takes text and gives text. */
function textRequest(body: object) {
  const request = readResponse(body)
  const { source, responseParam } = chatBody(request, [])
  const chat: OpenAiRequest = {
    endpoint: CHAT,
    source,
    fields: JSON.parse(source) as Record<string, unknown>,
    model: 'm',
    route: { name: 'm', queue: 'q', isVerbatim: false },
    isVerbatim: false,
    isStream: false,
    wantsUsage: true,
    tier: undefined,
  }
  return { request, chat, responseParam }
}

const job = (chat: OpenAiRequest) =>
  jobOf(chat, 'id', { maxPriorityOf: () => undefined } as unknown as Parameters<typeof jobOf>[2])

describe('what a worker of text cannot do', () => {
  const schema = { type: 'json_schema', name: 'n', schema: {} }
  test.each<[string, object]>([
    ['text.format', { input: 'x', text: { format: schema } }],
    ['text.format', { input: 'x', text: { format: { type: 'json_object' } } }],
    ['tools', { input: 'x', tools: [{ type: 'function', name: 'f' }] }],
    ['include', { input: 'x', include: ['message.output_text.logprobs'] }],
    ['logprobs', { input: 'x', logprobs: true }],
    [
      'input[2].content[1]',
      {
        instructions: 'i',
        input: [
          { type: 'web_search_call' },
          { type: 'reasoning', summary: [] },
          { role: 'user', content: ['a', image] },
        ],
      },
    ],
    [
      'input[0].output[0]',
      { input: [{ type: 'function_call_output', call_id: 'c', output: [image] }] },
    ],
  ])('is refused by the name of the field: %s', (param, body) => {
    const { chat, responseParam } = textRequest(body)
    const error = inResponseTerms(
      refusalOf(() => job(chat)),
      responseParam,
    )
    expect([error.status, error.object.param]).toEqual([400, param])
    expect(error.object.code).toBe('unsupported_parameter')
    expect(error.message).not.toMatch(/response_format|image_url|messages/)
    expect(error.object.message).toBe(error.message)
  })

  test('is named where it has no effect', () => {
    const { request, chat, responseParam } = textRequest({
      input: [
        { type: 'reasoning', summary: [{ text: 't' }] },
        call('1'),
        { role: 'user', content: '' },
      ],
      tools: [{ type: 'web_search' }],
      reasoning: { effort: 'low' },
      text: { verbosity: 'low' },
      max_output_tokens: 5,
      top_k: 1,
    })
    const names = ignoredNames(request.ignored, ignoredIn(chat), responseParam)
    expect(names).toBe(
      'tools[0].type, top_k, text.verbosity, reasoning.effort, input[].reasoning, input[].function_call',
    )
    expect(job(chat)).toMatchObject({
      meta: { tokensLimit: 5 },
      messages: [
        { role: 'assistant', content: '' },
        { role: 'user', content: '' },
      ],
    })
  })

  test('is named up to a limit', () => {
    const many = Array.from({ length: 25 }, (_, at) => `n${at}`)
    const same = (param: string) => param
    expect(ignoredNames(many, undefined, same)?.split(', ')).toEqual([...many.slice(0, 20), '...'])
    expect(ignoredNames(['a'], 'a, b, ...', same)).toBe('a, b, ...')
    expect(ignoredNames([], undefined, same)).toBeUndefined()
  })

  test('does not keep a plain request from it', () => {
    const { chat } = textRequest({
      instructions: 'i',
      input: [
        { role: 'developer', content: 'd' },
        { role: 'user', content: ['a', 'b'] },
      ],
      tools: [{ type: 'web_search' }],
      tool_choice: 'auto',
    })
    expect(job(chat).messages).toEqual([
      { role: 'system', content: 'i' },
      { role: 'system', content: 'd' },
      { role: 'user', content: 'ab' },
    ])
    expect(job(textRequest({ input: [] }).chat).messages).toEqual([{ role: 'user', content: '' }])
  })
})

describe('a field of the chat request', () => {
  const { input: earlier } = readResponse({ input: [{ role: 'user', content: 'old' }, call('0')] })
  const { responseParam } = chatBody(
    readResponse({
      instructions: 'i',
      previous_response_id: 'resp_1',
      input: [
        call('1'),
        { type: 'function_call_output', call_id: '1', output: ['a', image] },
        { type: 'reasoning', summary: [{ text: 't' }] },
        call('2'),
        { role: 'user', content: 'x' },
        { role: 'user', content: ['x', image] },
      ],
      tools: [{ type: 'web_search' }, { type: 'function', name: 'f' }],
      tool_choice: { type: 'function', name: 'f' },
      text: { format: { type: 'json_schema', name: 'n', schema: {} }, verbosity: 'low' },
      reasoning: { effort: 'low' },
      max_output_tokens: 5,
      top_k: 1,
    }),
    earlier,
  )

  test.each([
    ['messages', 'input'],
    ['messages[0]', 'instructions'],
    ['messages[0].content', 'instructions'],
    ['messages[1].content', 'previous_response_id'],
    ['messages[2].tool_calls[0].id', 'previous_response_id'],
    ['messages[2].tool_calls[1].function.arguments', 'input[0].arguments'],
    ['messages[2].tool_calls[1].function.name', 'input[0].name'],
    ['messages[2].tool_calls[1].id', 'input[0].call_id'],
    ['messages[3].content[1].image_url.url', 'input[1].output[1].image_url'],
    ['messages[3].content.0.text', 'input[1].output[0].text'],
    ['messages[3].tool_call_id', 'input[1].call_id'],
    ['messages.4.reasoning_content', 'input[3]'],
    ['messages[5].content', 'input[4].content'],
    ['messages[6].content[1]', 'input[5].content[1]'],
    ['messages[6].role', 'input[5].role'],
    ['messages[9].role', 'input'],
    ['tools', 'tools'],
    ['tools[0].function.parameters', 'tools[1].parameters'],
    ['tool_choice.function.name', 'tool_choice.name'],
    ['response_format', 'text.format'],
    ['response_format.json_schema.schema', 'text.format.schema'],
    ['verbosity', 'text.verbosity'],
    ['reasoning_effort', 'reasoning.effort'],
    ['max_tokens', 'max_output_tokens'],
    ['max_completion_tokens', 'max_output_tokens'],
    ['top_k', 'top_k'],
    ['temperature', 'temperature'],
    ['', ''],
    ['[0]', '[0]'],
  ])('%s is known to the client as %s', (param, named) => {
    expect(responseParam(param)).toBe(named)
  })

  test('keeps its name where the client used that of the chat API', () => {
    const { responseParam: mapped } = chatBody(readResponse({ input: 'x', max_tokens: 5 }), [])
    expect(mapped('max_tokens')).toBe('max_tokens')
    expect(mapped('messages[0].content')).toBe('input')
  })

  test('has its other name in the words of an error, too', () => {
    const error = inResponseTerms(
      invalidValue('max_tokens', 'max_tokens is 5, and not max_tokens_x or a.max_tokens'),
      responseParam,
    )
    expect(error.message).toBe('max_output_tokens is 5, and not max_tokens_x or a.max_tokens')
    const part = new OpenAiError(400, 'a part constructor would be lost', {
      param: 'messages[0].content[0]',
      code: 'x',
    })
    expect(inResponseTerms(part, responseParam).message).toBe(part.message)
    const other = new OpenAiError(503, 'busy', { code: 'x', retryAfterS: 7 })
    expect(inResponseTerms(other, responseParam)).toBe(other)
  })
})

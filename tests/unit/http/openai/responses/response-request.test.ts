import { describe, expect, test } from 'vitest'
import { readResponse, refusalOf } from '../../../../support/responses.ts'

describe('the fields of a request for a response', () => {
  test('are repeated, with the defaults of the API for what the client left open', () => {
    const { echo, isStream, previousId, ignored } = readResponse({ input: 'Hi' })
    expect(echo).toEqual({
      background: false,
      frequency_penalty: 0,
      instructions: null,
      max_output_tokens: null,
      max_tool_calls: null,
      metadata: {},
      model: 'm',
      parallel_tool_calls: true,
      presence_penalty: 0,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: null,
      safety_identifier: null,
      service_tier: 'default',
      store: true,
      temperature: 1,
      text: { format: { type: 'text' } },
      tool_choice: 'auto',
      tools: [],
      top_logprobs: 0,
      top_p: 1,
      truncation: 'disabled',
      user: null,
    })
    expect([isStream, previousId, ignored]).toEqual([false, undefined, []])
  })

  test('are repeated as the client set them, with every key that Open Responses wants', () => {
    const { echo, isStream, previousId } = readResponse({
      input: [],
      background: true,
      stream: true,
      store: false,
      previous_response_id: 'resp_1',
      temperature: 0.5,
      top_p: 0.25,
      metadata: { a: 'b' },
      reasoning: { effort: 'low' },
      text: { format: { type: 'json_schema', name: 'n', schema: {} }, verbosity: 'low' },
      tools: [{ type: 'function', name: 'f' }, { type: 'web_search' }],
      tool_choice: { type: 'allowed_tools', tools: [{ type: 'function', name: 'f' }] },
      service_tier: 'fast',
      truncation: 'auto',
    })
    expect(echo).toMatchObject({
      background: true,
      store: false,
      previous_response_id: 'resp_1',
      temperature: 0.5,
      top_p: 0.25,
      metadata: { a: 'b' },
      reasoning: { effort: 'low', summary: null },
      text: {
        verbosity: 'low',
        format: { type: 'json_schema', name: 'n', schema: {}, description: null, strict: false },
      },
      tools: [{ type: 'function', name: 'f', description: null, parameters: null, strict: null }],
      tool_choice: {
        type: 'allowed_tools',
        mode: 'auto',
        tools: [{ type: 'function', name: 'f' }],
      },
      service_tier: 'priority',
      truncation: 'auto',
    })
    expect([isStream, previousId]).toEqual([true, 'resp_1'])
  })

  test('are null as if they were not there', () => {
    const names =
      'instructions tools tool_choice text reasoning metadata include conversation prompt'
    const more = 'background stream store previous_response_id max_output_tokens context_management'
    const fields = Object.fromEntries(`${names} ${more}`.split(' ').map((name) => [name, null]))
    expect(readResponse({ input: 'x', ...fields }).echo).toEqual(readResponse({ input: 'x' }).echo)
  })

  test('are within their limits at the limits', () => {
    const pairs = Array.from({ length: 16 }, (_, at) => [
      `${at}`.padEnd(64, '😀'),
      '😀'.repeat(512),
    ])
    const metadata = Object.fromEntries(pairs.map(([key = '', value]) => [key.slice(0, 64), value]))
    expect(readResponse({ input: '', metadata, max_output_tokens: 1 }).echo).toMatchObject({
      metadata,
      max_output_tokens: 1,
    })
  })

  test('may be any others, and items and parts may have any others', () => {
    const part = { type: 'input_text', text: 'x', more: 1 }
    const body = {
      input: [{ role: 'user', content: [part], more: {} }, { type: 'later' }],
      more: 7,
    }
    expect(readResponse(body).input).toMatchObject([
      { content: [part], more: {} },
      { type: 'later' },
    ])
  })

  test('that are stored may not be nested so deep that they cannot be written', () => {
    const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    const read = (levels: number, field: string) =>
      readResponse(`{"input":"",${field.replace('?', deep(levels))}}`)
    for (const field of ['tools', 'tool_choice', 'text', 'reasoning']) {
      const error = refusalOf(() => read(100_000, `"${field}":[{"x":?}]`))
      expect(error.status).toBe(400)
      expect(error.object.param).toBe(field)
    }
    const error = refusalOf(() => readResponse(`{"input":[{"type":"x","a":${deep(100_000)}}]}`))
    expect(error.object.param).toBe('input')
    expect(read(100_000, '"unknown":?').echo.model).toBe('m')
    const tool = '"tools":[{"type":"function","name":"f","parameters":{"a":?}}]'
    expect(JSON.stringify(read(500, tool).echo)).toContain(deep(500))
  })

  test('that have no effect are named', () => {
    const { ignored } = readResponse({
      input: [
        { role: 'user', content: '' },
        { type: 'web_search_call', id: 'ws_1' },
      ],
      tools: [
        { type: 'web_search' },
        { type: 'function', name: 'f' },
        { type: 'custom', name: 'c' },
      ],
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs', 7],
      reasoning: { effort: 'low', summary: 'auto' },
      truncation: 'auto',
      prompt_cache_key: 'k',
      safety_identifier: 's',
      max_tool_calls: 3,
      n: 2,
      top_logprobs: 2,
    })
    expect(ignored).toEqual([
      'max_tool_calls',
      'prompt_cache_key',
      'safety_identifier',
      'truncation',
      'n',
      'reasoning.summary',
      'include[0]',
      'include[2]',
      'input[1].type',
      'tools[0].type',
      'tools[2].type',
    ])
    expect(readResponse({ input: '', top_logprobs: 2 }).ignored).toEqual(['top_logprobs'])
  })

  test('may be lists of so many entries that they are no arguments', () => {
    const many = Array.from({ length: 200_000 }, () => 0)
    expect(readResponse({ input: '', include: many }).ignored).toHaveLength(200_000)
  })
})

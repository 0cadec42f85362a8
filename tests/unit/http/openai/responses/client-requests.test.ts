import { describe, expect, test } from 'vitest'
import { chatOf, readResponse } from '../../../../support/responses.ts'

const user = (content: unknown) => ({ role: 'user', content })
const call = (id: string, name = 'f') => ({
  type: 'function_call',
  call_id: id,
  name,
  arguments: '{"a":1}',
})
const output = (id: string, text: unknown = '7') => ({
  type: 'function_call_output',
  call_id: id,
  output: text,
})
const toolCall = (id: string, name = 'f') => ({
  id,
  type: 'function',
  function: { name, arguments: '{"a":1}' },
})

describe('the request of a client', () => {
  test('Codex is served: tools that are no functions are left out and named', () => {
    const shell = {
      type: 'function',
      name: 'shell',
      description: 'Runs.',
      strict: false,
      parameters: {},
    }
    const body = {
      model: 'm',
      instructions: 'You are Codex.',
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Rules.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'List.' }] },
        { type: 'reasoning', summary: [], content: null, encrypted_content: 'gAAA' },
        { type: 'function_call', name: 'shell', arguments: '{}', call_id: 'call_1' },
        { type: 'function_call_output', call_id: 'call_1', output: 'a.txt' },
        { type: 'custom_tool_call', call_id: 'call_2', name: 'apply_patch', input: '*** Begin' },
        { type: 'custom_tool_call_output', call_id: 'call_2', output: 'Done' },
      ],
      tools: [
        shell,
        {
          type: 'custom',
          name: 'apply_patch',
          format: { type: 'grammar', syntax: 'lark', definition: '' },
        },
        { type: 'web_search', external_web_access: true },
        {
          type: 'namespace',
          name: 'mcp',
          description: '',
          tools: [{ type: 'function', name: 'x' }],
        },
        { type: 'image_generation', output_format: 'png' },
      ],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      reasoning: { effort: 'medium', summary: 'auto' },
      store: false,
      stream: true,
      include: ['reasoning.encrypted_content'],
      prompt_cache_key: 'a-b-c',
      text: { verbosity: 'medium' },
    }
    expect(chatOf(body)).toEqual({
      model: 'm',
      parallel_tool_calls: true,
      verbosity: 'medium',
      reasoning_effort: 'medium',
      tools: [
        {
          type: 'function',
          function: { name: 'shell', description: 'Runs.', strict: false, parameters: {} },
        },
      ],
      tool_choice: 'auto',
      messages: [
        { role: 'system', content: 'You are Codex.' },
        { role: 'developer', content: 'Rules.' },
        user('List.'),
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'shell', arguments: '{}' } },
          ],
        },
        { role: 'tool', content: 'a.txt', tool_call_id: 'call_1' },
      ],
    })
    const { ignored, echo, isStream } = readResponse(body)
    expect(ignored).toEqual([
      'prompt_cache_key',
      'reasoning.summary',
      'include[0]',
      'input[5].type',
      'input[6].type',
      'tools[1].type',
      'tools[2].type',
      'tools[3].type',
      'tools[4].type',
    ])
    expect(echo).toMatchObject({ store: false, tools: [shell], tool_choice: 'auto' })
    expect(isStream).toBe(true)
  })

  test('Agents SDK is served: the whole conversation with calls and outputs in one input', () => {
    const body = {
      model: 'm',
      instructions: 'Help.',
      input: [
        { role: 'user', content: 'Weather in Paris and Rome?' },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        { ...call('c1', 'weather'), id: 'fc_1', status: 'completed' },
        { ...call('c2', 'weather'), id: 'fc_2', status: 'completed' },
        output('c1', '20'),
        output('c2', [{ type: 'input_text', text: '25' }]),
      ],
      tools: [
        { type: 'function', name: 'weather', parameters: {}, strict: true, description: 'd' },
      ],
      include: [],
      stream: false,
      parallel_tool_calls: true,
    }
    expect(chatOf(body).messages).toEqual([
      { role: 'system', content: 'Help.' },
      user('Weather in Paris and Rome?'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [toolCall('c1', 'weather'), toolCall('c2', 'weather')],
      },
      { role: 'tool', content: '20', tool_call_id: 'c1' },
      { role: 'tool', content: '25', tool_call_id: 'c2' },
    ])
    expect(readResponse(body).ignored).toEqual([])
  })
})

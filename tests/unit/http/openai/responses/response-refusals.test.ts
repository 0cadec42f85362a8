import { describe, expect, test } from 'vitest'
import { readResponse, refusalOf } from '../../../../support/responses.ts'

describe('the fields of a request for a response', () => {
  const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }
  const user = (content: unknown) => ({ input: [{ role: 'user', content }] })

  test.each<[string, string, string, object]>([
    ['no input', 'input', 'invalid_value', {}],
    ['input null', 'input', 'invalid_value', { input: null }],
    ['input of another type', 'input', 'invalid_value', { input: 7 }],
    ['an item that is a text', 'input[1]', 'invalid_value', { input: [call, 'x'] }],
    ['an item without a type', 'input[0].type', 'invalid_value', { input: [{ a: 1 }] }],
    ['a type that is a number', 'input[0].type', 'invalid_value', { input: [{ type: 1 }] }],
    ['a role that is a number', 'input[0].role', 'invalid_value', { input: [{ role: 1 }] }],
    ['content of another type', 'input[0].content', 'invalid_value', user(7)],
    ['a part that is a number', 'input[0].content[0]', 'invalid_value', user([7])],
    ['a part without type', 'input[0].content[0].type', 'invalid_value', user([{}])],
    [
      'a text part without text',
      'input[0].content[1].text',
      'invalid_value',
      user(['x', { type: 'input_text' }]),
    ],
    [
      'a file',
      'input[0].content[0]',
      'unsupported_parameter',
      user([{ type: 'input_file', file_url: 'x' }]),
    ],
    [
      'an image that is a file',
      'input[0].content[0].file_id',
      'unsupported_parameter',
      user([{ type: 'input_image', file_id: 'file-1', image_url: 'x' }]),
    ],
    [
      'an image without address',
      'input[0].content[0].image_url',
      'invalid_value',
      user([{ type: 'input_image' }]),
    ],
    [
      'a file as output',
      'input[0].output[0]',
      'unsupported_parameter',
      { input: [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'input_file' }] }] },
    ],
    [
      'an output that is an object',
      'input[0].output',
      'invalid_value',
      { input: [{ type: 'function_call_output', call_id: 'c', output: {} }] },
    ],
    [
      'an output without call',
      'input[0].call_id',
      'invalid_value',
      { input: [{ type: 'function_call_output', output: '' }] },
    ],
    [
      'a call without id',
      'input[0].call_id',
      'invalid_value',
      { input: [{ ...call, call_id: 1 }] },
    ],
    ['a call without name', 'input[0].name', 'invalid_value', { input: [{ ...call, name: null }] }],
    [
      'arguments that are an object',
      'input[0].arguments',
      'invalid_value',
      { input: [{ ...call, arguments: {} }] },
    ],
    [
      'a reference without id',
      'input[0].id',
      'invalid_value',
      { input: [{ type: 'item_reference' }] },
    ],
    ['a conversation', 'conversation', 'unsupported_parameter', { input: '', conversation: 'c' }],
    ['a prompt', 'prompt', 'unsupported_parameter', { input: '', prompt: { id: 'p' } }],
    [
      'context management',
      'context_management',
      'unsupported_parameter',
      { input: '', context_management: [{ type: 'compaction' }] },
    ],
    ['background "yes"', 'background', 'invalid_value', { input: '', background: 'yes' }],
    ['stream 1', 'stream', 'invalid_value', { input: '', stream: 1 }],
    ['store "no"', 'store', 'invalid_value', { input: '', store: 'no' }],
    [
      'an id that is a number',
      'previous_response_id',
      'invalid_value',
      { previous_response_id: 1 },
    ],
    ['instructions as a list', 'instructions', 'invalid_value', { input: '', instructions: [] }],
    ['no tokens', 'max_output_tokens', 'invalid_value', { input: '', max_output_tokens: 0 }],
    ['half a token', 'max_output_tokens', 'invalid_value', { input: '', max_output_tokens: 0.5 }],
    ['tokens as text', 'max_output_tokens', 'invalid_value', { input: '', max_output_tokens: '5' }],
    ['text that is a text', 'text', 'invalid_value', { input: '', text: 'x' }],
    [
      'a format that is a text',
      'text.format',
      'invalid_value',
      { input: '', text: { format: 'x' } },
    ],
    ['reasoning that is a text', 'reasoning', 'invalid_value', { input: '', reasoning: 'high' }],
    ['include that is a text', 'include', 'invalid_value', { input: '', include: 'x' }],
    ['metadata that is a list', 'metadata', 'invalid_value', { input: '', metadata: [] }],
    ['metadata of numbers', 'metadata.a', 'invalid_value', { input: '', metadata: { a: 1 } }],
    [
      'a long value of metadata',
      'metadata.a',
      'invalid_value',
      { input: '', metadata: { a: 'x'.repeat(513) } },
    ],
    [
      'a long key of metadata',
      'metadata',
      'invalid_value',
      { input: '', metadata: { ['x'.repeat(65)]: '' } },
    ],
    [
      'much metadata',
      'metadata',
      'invalid_value',
      { input: '', metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [at, ''])) },
    ],
    ['tools that are an object', 'tools', 'invalid_value', { input: '', tools: {} }],
    ['a tool that is a text', 'tools[0]', 'invalid_value', { input: '', tools: ['x'] }],
    ['a tool without type', 'tools[0].type', 'invalid_value', { input: '', tools: [{}] }],
    ['a choice that is a number', 'tool_choice', 'invalid_value', { input: '', tool_choice: 1 }],
    ['a call of nothing', 'tool_choice', 'invalid_value', { input: '', tool_choice: 'required' }],
    [
      'a call where only hosted tools are',
      'tool_choice',
      'invalid_value',
      { input: '', tool_choice: 'required', tools: [{ type: 'web_search' }] },
    ],
    [
      'a hosted tool',
      'tool_choice',
      'unsupported_parameter',
      { input: '', tool_choice: { type: 'web_search' }, tools: [{ type: 'function', name: 'f' }] },
    ],
    [
      'a function without name',
      'tool_choice.name',
      'invalid_value',
      { input: '', tool_choice: { type: 'function' } },
    ],
    [
      'allowed tools that are not there',
      'tool_choice',
      'invalid_value',
      {
        input: '',
        tools: [{ type: 'function', name: 'f' }],
        tool_choice: {
          type: 'allowed_tools',
          mode: 'required',
          tools: [{ type: 'mcp', name: 'f' }],
        },
      },
    ],
  ])('with %s are a 400 that names %s', (_, param, code, body) => {
    const error = refusalOf(() => readResponse(body))
    expect([error.status, error.object.param, error.object.code]).toEqual([400, param, code])
  })
})

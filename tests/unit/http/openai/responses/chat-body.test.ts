import { describe, expect, test } from 'vitest'
import { chatOf } from '../../../../support/responses.ts'

const user = (content: unknown) => ({ role: 'user', content })

describe('the fields of a chat request', () => {
  const chat = (fields: object) => {
    const { messages, ...rest } = chatOf({ input: 'x', ...fields })
    expect(messages).toEqual([user('x')])
    return rest
  }

  test('have the names of the chat API', () => {
    const schema = { type: 'object' }
    const format = { type: 'json_schema', name: 'n', schema, strict: true, description: 'd' }
    const asked = {
      text: { format, verbosity: 'low' },
      reasoning: { effort: 'high', summary: 'auto' },
      max_output_tokens: 50,
      top_logprobs: 3,
      include: ['message.output_text.logprobs'],
      max_completion_tokens: 1,
    }
    expect(chat(asked)).toEqual({
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'n', schema, strict: true, description: 'd' },
      },
      verbosity: 'low',
      reasoning_effort: 'high',
      max_tokens: 50,
      logprobs: true,
      top_logprobs: 3,
    })
    const object = { type: 'json_object' }
    expect(chat({ text: { format: object } })).toEqual({ response_format: object })
    expect(chat({ text: { format: { type: 'text' }, verbosity: null } })).toEqual({})
    expect(chat({ top_logprobs: 3 })).toEqual({})
  })

  test('are those that both APIs have and that only the engine knows, but none of the Responses API', () => {
    const shared = {
      model: 'm',
      temperature: 0,
      top_p: 0.5,
      presence_penalty: 1,
      frequency_penalty: 2,
      user: 'u',
      service_tier: 'flex',
      seed: 7,
      stop: ['x'],
      top_k: 5,
      chat_template_kwargs: { enable_thinking: false },
      max_tokens: 9,
      unknown: [{}],
    }
    const own = {
      metadata: { a: 'b' },
      background: false,
      store: true,
      stream: true,
      stream_options: { include_obfuscation: false },
      truncation: 'auto',
      prompt_cache_key: 'k',
      safety_identifier: 's',
      max_tool_calls: 1,
      parallel_tool_calls: true,
      include: ['reasoning.encrypted_content'],
      n: 3,
    }
    expect(chat({ ...shared, ...own })).toEqual(shared)
  })

  test('are left out where the client left them open by null', () => {
    const open = { temperature: null, frequency_penalty: null, parallel_tool_calls: null }
    const tool = { type: 'function', name: 'f', description: null, parameters: null, strict: null }
    const format = { type: 'json_schema', name: 'n', schema: {}, strict: null }
    expect(chat({ ...open, tools: [tool], text: { format }, unknown: null })).toEqual({
      tools: [{ type: 'function', function: { name: 'f' } }],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {} } },
      unknown: null,
    })
  })

  const f = { type: 'function', name: 'f', description: 'd', parameters: { a: 1 }, strict: true }
  const g = { type: 'function', name: 'g' }
  const nestedF = {
    type: 'function',
    function: { name: 'f', description: 'd', parameters: { a: 1 }, strict: true },
  }
  const nestedG = { type: 'function', function: { name: 'g' } }

  test.each<[string, object, object]>([
    ['tools', { tools: [f, g] }, { tools: [nestedF, nestedG] }],
    [
      'tools beside hosted ones',
      { tools: [{ type: 'mcp', server_label: 'x' }, g], parallel_tool_calls: false },
      { tools: [nestedG], parallel_tool_calls: false },
    ],
    ['hosted tools alone', { tools: [{ type: 'web_search' }], tool_choice: 'auto' }, {}],
    ['tools in the form of the chat API', { tools: [nestedG] }, { tools: [nestedG] }],
    ['no choice', { tools: [g], tool_choice: null }, { tools: [nestedG] }],
    ['none', { tools: [g], tool_choice: 'none' }, { tools: [nestedG], tool_choice: 'none' }],
    ['none without tools', { tools: [], tool_choice: 'none' }, {}],
    [
      'required',
      { tools: [g], tool_choice: 'required' },
      { tools: [nestedG], tool_choice: 'required' },
    ],
    [
      'one function',
      { tools: [f, g], tool_choice: { type: 'function', name: 'g' } },
      { tools: [nestedF, nestedG], tool_choice: nestedG },
    ],
    [
      'allowed tools',
      {
        tools: [f, g],
        tool_choice: {
          type: 'allowed_tools',
          mode: 'required',
          tools: [{ type: 'function', name: 'g' }, { type: 'web_search' }],
        },
      },
      { tools: [nestedG], tool_choice: 'required' },
    ],
    [
      'allowed tools of other kinds',
      { tools: [f], tool_choice: { type: 'allowed_tools', tools: [{ type: 'mcp', name: 'f' }] } },
      {},
    ],
  ])('have %s', (_, asked, expected) => {
    expect(chat(asked)).toEqual(expected)
  })
})

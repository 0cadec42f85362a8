import { describe, expect, test } from 'vitest'
import { chatOf, readResponse } from '../../../../support/responses.ts'

const user = (content: unknown) => ({ role: 'user', content })
const said = (text: string) => ({
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
})
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
const thought = (text: string) => ({
  type: 'reasoning',
  summary: [],
  content: [{ type: 'reasoning_text', text }],
})
const messagesOf = (input: unknown, more: object = {}) => chatOf({ input, ...more }).messages

describe('the messages of a chat request', () => {
  test('are those of the input, behind the instructions', () => {
    expect(messagesOf('Hi', { instructions: 'Be brief.' })).toEqual([
      { role: 'system', content: 'Be brief.' },
      user('Hi'),
    ])
    const list = [
      { role: 'developer', content: 'd' },
      { role: 'system', content: [{ type: 'input_text', text: 's' }] },
      user('u'),
      said('a'),
      { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
    ]
    expect(messagesOf(list)).toEqual([
      { role: 'developer', content: 'd' },
      { role: 'system', content: 's' },
      user('u'),
      { role: 'assistant', content: 'a' },
      { role: 'assistant', content: 'No.' },
    ])
  })

  test('are one empty message where there is nothing to answer', () => {
    const system = { role: 'system', content: 'Be brief.' }
    expect(messagesOf('')).toEqual([user('')])
    expect(messagesOf([])).toEqual([user('')])
    expect(messagesOf([], { instructions: 'Be brief.' })).toEqual([system, user('')])
    expect(messagesOf([user(null)])).toEqual([user('')])
  })

  test('have parts where there is more than one text', () => {
    const image = { type: 'input_image', image_url: 'https://a/b.png', detail: 'low' }
    const audio = { type: 'input_audio', input_audio: { data: 'x', format: 'wav' } }
    const url = 'data:image/png;base64,AA=='
    const parts = [
      'a',
      image,
      { type: 'input_image', image_url: url },
      audio,
      { type: 'input_text', text: 'b' },
    ]
    expect(messagesOf([user(parts)])).toEqual([
      user([
        { type: 'text', text: 'a' },
        { type: 'image_url', image_url: { url: 'https://a/b.png', detail: 'low' } },
        { type: 'image_url', image_url: { url } },
        audio,
        { type: 'text', text: 'b' },
      ]),
    ])
  })

  test('have the calls in the message of the assistant, and their outputs behind it', () => {
    const input = [
      user('u'),
      said('Let me see.'),
      call('1'),
      call('2', 'g'),
      output('1'),
      output('2'),
    ]
    expect(messagesOf(input)).toEqual([
      user('u'),
      {
        role: 'assistant',
        content: 'Let me see.',
        tool_calls: [toolCall('1'), toolCall('2', 'g')],
      },
      { role: 'tool', content: '7', tool_call_id: '1' },
      { role: 'tool', content: '7', tool_call_id: '2' },
    ])
    const again = [
      user('u'),
      call('1'),
      output('1', [{ type: 'input_text', text: 'x' }]),
      call('2'),
    ]
    expect(messagesOf(again)).toEqual([
      user('u'),
      { role: 'assistant', content: null, tool_calls: [toolCall('1')] },
      { role: 'tool', content: 'x', tool_call_id: '1' },
      { role: 'assistant', content: null, tool_calls: [toolCall('2')] },
    ])
  })

  test('have the reasoning in the message of the assistant that follows', () => {
    const summary = { type: 'reasoning', summary: [{ type: 'summary_text', text: 'short' }] }
    const sealed = { type: 'reasoning', summary: [], encrypted_content: 'gAAA' }
    expect(messagesOf([user('u'), thought('one'), summary, sealed, said('a')])).toEqual([
      user('u'),
      { role: 'assistant', content: 'a', reasoning_content: 'one\nshort' },
    ])
    expect(messagesOf([user('u'), thought('1'), call('1'), thought('2'), call('2')])).toEqual([
      user('u'),
      {
        role: 'assistant',
        content: null,
        reasoning_content: '1\n2',
        tool_calls: [toolCall('1'), toolCall('2')],
      },
    ])
    expect(messagesOf([thought('lost'), user('u'), said('a')])).toEqual([
      user('u'),
      { role: 'assistant', content: 'a' },
    ])
  })

  test('leave out items of other kinds, which break nothing apart', () => {
    const search = { type: 'web_search_call', id: 'ws', status: 'completed' }
    expect(messagesOf([user('u'), thought('t'), search, said('a'), search, call('1')])).toEqual([
      user('u'),
      { role: 'assistant', content: 'a', reasoning_content: 't', tool_calls: [toolCall('1')] },
    ])
  })

  test('go on from those of the responses before, whose instructions do not count', () => {
    const { input: earlier } = readResponse({
      input: [user('u'), thought('t'), call('1')],
      instructions: 'Old.',
    })
    const answer = { ...said('a'), id: 'msg_1' }
    const body = { previous_response_id: 'resp_1', instructions: 'New.', input: [output('1')] }
    expect(chatOf(body, earlier).messages).toEqual([
      { role: 'system', content: 'New.' },
      user('u'),
      { role: 'assistant', content: null, reasoning_content: 't', tool_calls: [toolCall('1')] },
      { role: 'tool', content: '7', tool_call_id: '1' },
    ])
    const next = { previous_response_id: 'resp_1', input: [{ id: 'msg_1' }, user('next')] }
    expect(chatOf(next, [...earlier, answer]).messages.slice(1)).toEqual([
      { role: 'assistant', content: null, reasoning_content: 't', tool_calls: [toolCall('1')] },
      { role: 'assistant', content: 'a' },
      user('next'),
    ])
  })

  test('have more reasoning than fits into the arguments of a call', () => {
    const summary = Array.from({ length: 200_000 }, () => ({ type: 'summary_text', text: 'x' }))
    const [message] = messagesOf([{ type: 'reasoning', summary }, said('a')])
    const reasoning = `${'x\n'.repeat(199_999)}x`
    expect(message).toEqual({ role: 'assistant', content: 'a', reasoning_content: reasoning })
  })
})

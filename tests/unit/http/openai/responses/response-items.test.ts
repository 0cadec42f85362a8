import { describe, expect, test } from 'vitest'
import { OpenAiError } from '../../../../../src/http/openai/openai-errors.ts'
import { conversationOf } from '../../../../../src/http/openai/responses/response-items.ts'
import { readResponse, refusalOf } from '../../../../support/responses.ts'

describe('the items of a request', () => {
  test('have the form that the API gives them back in', () => {
    const items = readResponse({
      input: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello', phase: 'final_answer' },
        { type: 'message', role: 'developer', content: ['a', { type: 'input_text', text: 'b' }] },
        { type: 'function_call', call_id: 'c', name: 'f' },
        { type: 'function_call_output', call_id: 'c', output: '7', id: null },
        { type: 'reasoning', id: 'rs_1', encrypted_content: 'xx' },
        { type: 'later', id: '' },
      ],
    }).input
    const hash = items[0]?.id.split('_')[1] ?? ''
    expect(hash).toMatch(/^[0-9a-f]{32}$/)
    expect(items).toEqual([
      {
        type: 'message',
        id: `msg_${hash}_0`,
        role: 'user',
        status: 'completed',
        content: [{ type: 'input_text', text: 'Hi' }],
      },
      {
        type: 'message',
        id: `msg_${hash}_1`,
        role: 'assistant',
        status: 'completed',
        phase: 'final_answer',
        content: [{ type: 'output_text', text: 'Hello', annotations: [] }],
      },
      {
        type: 'message',
        id: `msg_${hash}_2`,
        role: 'developer',
        status: 'completed',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'input_text', text: 'b' },
        ],
      },
      {
        type: 'function_call',
        id: `fc_${hash}_3`,
        call_id: 'c',
        name: 'f',
        arguments: '{}',
        status: 'completed',
      },
      {
        type: 'function_call_output',
        id: `fco_${hash}_4`,
        call_id: 'c',
        output: '7',
        status: 'completed',
      },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'xx' },
      { type: 'later', id: `item_${hash}_6` },
    ])
  })

  test('have the same ids for the same request, and others for another one', () => {
    const idOf = (body: object) => readResponse(body).input[0]?.id
    expect(idOf({ input: 'Hi' })).toBe(idOf({ input: 'Hi' }))
    expect(idOf({ input: 'Hi' })).not.toBe(idOf({ input: 'Hi', previous_response_id: 'resp_1' }))
  })

  test('of a text are one message, also of an empty one; of an empty list, none', () => {
    const content = [{ type: 'input_text', text: '' }]
    expect(readResponse({ input: '' }).input).toMatchObject([{ role: 'user', content }])
    expect(readResponse({ input: [] }).input).toEqual([])
    expect(readResponse({ previous_response_id: 'resp_1' }).input).toEqual([])
  })

  test('never share an id, with those before them either', () => {
    const message = { id: 'a', role: 'user', content: '' }
    const { input } = readResponse({ input: [message, message, { ...message, id: 'a_1' }] })
    const ids = conversationOf(input, input).map(({ id }) => id)
    expect(ids).toHaveLength(6)
    expect(new Set(ids).size).toBe(6)
    expect(ids[0]).toBe('a')
  })

  test('may refer to an item before them, which is not repeated', () => {
    const { input } = readResponse({
      input: [{ id: 'old' }, { id: 'a', role: 'user', content: 'x' }],
    })
    const { input: earlier } = readResponse({ input: [{ id: 'old', role: 'user', content: 'y' }] })
    expect(conversationOf(earlier, input).map(({ id }) => id)).toEqual(['old', 'a'])
    const own = readResponse({
      input: [
        { id: 'a', role: 'user', content: '' },
        { type: 'item_reference', id: 'a' },
      ],
    })
    expect(conversationOf([], own.input)).toHaveLength(1)
    const error = refusalOf(() => conversationOf([], input))
    expect(error).toBeInstanceOf(OpenAiError)
    expect(error.object).toMatchObject({ param: 'input[0].id', code: 'invalid_value' })
    expect(error.message).toContain("'old'")
  })
})

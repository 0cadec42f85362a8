import { describe, expect, test } from 'vitest'
import { CHAT, answer, deltas, hi, message, request, user } from '../../../support/echo-answers.ts'

const tool = (name: string, parameters?: object) => ({
  type: 'function',
  function: { name, ...(parameters && { parameters }) },
})
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { enum: ['C', 'F'] }, days: { type: 'integer' } },
  required: ['city'],
}
const tools = [tool('weather', parameters), tool('time')]
const named = (name: string) => ({ type: 'function', function: { name } })

describe('a tool call of the echo engine', () => {
  test('is of the first tool, with arguments of its schema', async () => {
    const { choices } = await answer(CHAT, hi({ tools }))
    expect(choices).toEqual([
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: expect.stringMatching(/^call_\w+$/) as string,
              type: 'function',
              function: { name: 'weather', arguments: expect.any(String) as string },
            },
          ],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ])
    const [call] = choices[0]?.message.tool_calls ?? []
    expect(JSON.parse(call?.function.arguments ?? '')).toEqual({
      city: 'Hi there',
      unit: 'C',
      days: expect.any(Number) as number,
    })
  })

  test('is streamed in pieces: first id and name, then the arguments', async () => {
    for (const asked of [hi({ tools }), hi({ tools: [tool('time')] })]) {
      const whole = (await message(asked)).tool_calls?.[0]
      const [role, first, ...rest] = await deltas(asked)
      expect(role).toEqual({ role: 'assistant', content: null })
      expect(first?.tool_calls).toEqual([
        {
          index: 0,
          id: whole?.id,
          type: 'function',
          function: { name: whole?.function.name, arguments: '' },
        },
      ])
      expect(rest.pop()).toEqual({})
      expect(rest.length).toBeGreaterThan(1)
      for (const { tool_calls: calls } of rest) {
        expect(calls).toEqual([{ index: 0, function: { arguments: expect.any(String) as string } }])
      }
      const pieces = rest.map(({ tool_calls: calls }) => calls?.[0]?.function.arguments)
      expect(pieces.join('')).toBe(whole?.function.arguments)
      const { told, outcome } = await request(CHAT, { ...asked, stream: true })
      expect(told.at(-1)?.chunk.choices[0]?.finish_reason).toBe('tool_calls')
      expect(told.every(({ text }) => text === '')).toBe(true)
      expect(outcome).toMatchObject({ content: '', finishReason: 'tool_calls' })
    }
  })

  test.each([
    ['auto', 'weather'],
    ['required', 'weather'],
    [null, 'weather'],
    [named('time'), 'time'],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [named('time'), named('weather')] },
      },
      'time',
    ],
  ])('with the choice %j is of %s', async (choice, name) => {
    const said = await message(hi({ tools, tool_choice: choice }))
    expect(said.tool_calls?.map((call) => call.function.name)).toEqual([name])
  })

  test('has an id of its own in each choice', async () => {
    const { choices } = await answer(CHAT, hi({ tools, n: 3 }))
    const ids = choices.map(({ message: said }) => said.tool_calls?.[0]?.id)
    expect(new Set(ids).size).toBe(3)
  })

  test.each([
    ['the choice is none', hi({ tools, tool_choice: 'none' })],
    ['there is no tool', hi({ tools: [] })],
    ['tools are null', hi({ tools: null })],
  ])('is not made where %s', async (_, body) => {
    expect(await message(body)).toEqual({ role: 'assistant', content: 'echo: Hi there' })
  })

  test('is followed by text once the tool has answered', async () => {
    const { tool_calls: calls } = await message(hi({ tools }))
    const asked = { role: 'assistant', content: null, tool_calls: calls }
    const result = { role: 'tool', tool_call_id: calls?.[0]?.id, content: '21 °C' }
    const { choices } = await answer(CHAT, hi({ tools, messages: [user('Hi'), asked, result] }))
    expect(choices[0]).toMatchObject({
      message: { role: 'assistant', content: 'echo: Hi' },
      finish_reason: 'stop',
    })
    const next = await message(hi({ tools, messages: [user('Hi'), asked, result, user('more')] }))
    expect(next.tool_calls).toHaveLength(1)
  })

  test.each([
    ['names a tool that is not there', { tools, tool_choice: named('other') }, 'tool_choice'],
    ['is of no known form', { tools, tool_choice: 'sometimes' }, 'tool_choice'],
    ['is of a tool without a name', { tools: [{ type: 'function' }] }, 'tools[0].function.name'],
    ['has tools that are no list', { tools: 'weather' }, 'tools'],
    [
      'has parameters that nothing fits',
      { tools: [tool('x', { type: 'object', properties: { a: false }, required: ['a'] })] },
      'tools[0].function.parameters',
    ],
  ])('that %s is a failure', async (_, more, param) => {
    const { outcome } = await request(CHAT, hi(more))
    expect(outcome).toMatchObject({ kind: 'failed', status: 400, param })
  })
})

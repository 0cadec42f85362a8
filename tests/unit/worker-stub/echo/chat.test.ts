import { describe, expect, test } from 'vitest'
import { CHAT, answer, deltas, hi, message, request, user } from '../../../support/echo-answers.ts'
import type { Choice } from '../../../support/echo-answers.ts'

describe('a chat that the echo engine answers', () => {
  test('has the last message of the user for its text, and the form of the API', async () => {
    const messages = [user('no'), user('Hi  there'), { role: 'assistant', content: 'and' }]
    const { outcome, told } = await request(CHAT, { model: 'm', messages })
    const usage = { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 }
    expect(told).toEqual([])
    expect(outcome).toEqual({
      kind: 'succeeded',
      content: 'echo: Hi  there',
      finishReason: 'stop',
      model: 'm',
      usage: { promptTokens: 4, completionTokens: 3 },
      body: expect.any(String) as string,
    })
    expect(await answer(CHAT, { model: 'm', messages })).toEqual({
      id: 'chatcmpl-j',
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'echo: Hi  there' },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage,
    })
  })

  test('is of the text of parts, and leaves other parts out', async () => {
    const image = { type: 'image_url', image_url: { url: 'data:,' } }
    const parts = [{ type: 'text', text: 'What ' }, image, { type: 'text', text: 'is it?' }]
    expect(await message(hi({}, parts))).toMatchObject({ content: 'echo: What is it?' })
  })

  test('without a message of the user echoes nothing', async () => {
    const messages = [{ role: 'system', content: 'be brief' }]
    expect(await message({ messages })).toMatchObject({ content: 'echo: ' })
  })

  test('stops after so many tokens', async () => {
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const { choices } = await answer(CHAT, hi({ [name]: 2 }))
      expect(choices[0]).toMatchObject({
        message: { content: 'echo: Hi ' },
        finish_reason: 'length',
      })
    }
  })

  test('has n choices, each with its number', async () => {
    const { choices, usage } = await answer(CHAT, hi({ n: 3 }))
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2])
    for (const { message: said, finish_reason: reason } of choices) {
      expect([said.content, reason]).toEqual(['echo: Hi there', 'stop'])
    }
    expect(usage).toMatchObject({ completion_tokens: 9 })
  })
})

describe('a chat that the echo engine streams', () => {
  test('comes word by word: first the role, in the end the reason, and the usage if it is asked for', async () => {
    const asked = hi({ stream: true, stream_options: { include_usage: true } })
    const { outcome, told } = await request(CHAT, asked)
    const pieces = told.map(({ text, chunk: { choices } }) => {
      const [choice] = choices
      return [text, choice?.delta, choice?.finish_reason]
    })
    expect(pieces).toEqual([
      ['', { role: 'assistant', content: '' }, null],
      ['echo: ', { content: 'echo: ' }, null],
      ['Hi ', { content: 'Hi ' }, null],
      ['there', { content: 'there' }, null],
      ['', {}, 'stop'],
      ['', undefined, undefined],
    ])
    expect(told.at(-1)?.chunk).toMatchObject({
      object: 'chat.completion.chunk',
      choices: [],
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
    })
    expect(outcome).toEqual({
      kind: 'succeeded',
      content: 'echo: Hi there',
      finishReason: 'stop',
      model: 'm',
      usage: { promptTokens: 2, completionTokens: 3 },
    })
  })

  test.each([undefined, null, {}, { include_usage: false }])(
    'has no usage with stream_options %j',
    async (options) => {
      const { told } = await request(CHAT, hi({ stream: true, stream_options: options }))
      expect(told.at(-1)?.chunk.choices[0]?.finish_reason).toBe('stop')
    },
  )

  test('has each of n choices whole, and the texts are those of the first', async () => {
    const { outcome, told } = await request(CHAT, hi({ stream: true, n: 2 }))
    const all = told.flatMap(({ chunk }) => chunk.choices)
    for (const index of [0, 1]) {
      const choices = all.filter((choice) => choice.index === index)
      expect(choices[0]?.delta.role).toBe('assistant')
      expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe('echo: Hi there')
      expect(choices.at(-1)?.finish_reason).toBe('stop')
    }
    expect(told.map(({ text }) => text).join('')).toBe('echo: Hi there')
    expect(outcome).toMatchObject({ content: 'echo: Hi there' })
  })

  test.each([true, false])(
    'takes its time, and stops when aborted (stream: %s)',
    async (stream) => {
      const body = hi({ stream }, 'word '.repeat(100))
      const started = performance.now()
      await request(CHAT, body, { tokensPerS: 1_000 })
      expect(performance.now() - started).toBeGreaterThan(95)
      const abort = new AbortController()
      const running = request(CHAT, body, { tokensPerS: 1 }, abort.signal)
      abort.abort()
      await expect(running).rejects.toThrow('aborted')
    },
  )

  test('fails for the same jobs as without a request, before the reason of its end', async () => {
    const options = { failureRate: 0.5 }
    const kinds: string[] = []
    for (let index = 0; index < 20; index += 1) {
      const id = `job-${index}`
      const { outcome, told } = await request(CHAT, hi({ stream: true }), { ...options, id })
      const whole = await request(CHAT, hi(), { ...options, id })
      expect(whole.outcome.kind).toBe(outcome.kind)
      const reasons = told.map(({ chunk }) => chunk.choices[0]?.finish_reason)
      expect(reasons.includes('stop')).toBe(outcome.kind === 'succeeded')
      kinds.push(outcome.kind === 'failed' ? outcome.type : outcome.kind)
    }
    expect(new Set(kinds)).toEqual(new Set(['EchoError', 'succeeded']))
  })
})

describe('reasoning of the echo engine', () => {
  test('comes first where an effort is asked for', async () => {
    const said = await message(hi({ reasoning_effort: 'low' }))
    expect(said).toEqual({
      role: 'assistant',
      reasoning: expect.stringContaining('Hi there') as string,
      content: 'echo: Hi there',
    })
    const streamed = await deltas(hi({ reasoning_effort: 'low' }))
    const kinds = streamed.map((delta) => Object.keys(delta).join())
    expect(kinds.join(' ')).toMatch(/^role,content( reasoning)+( content)+ $/)
    expect(streamed.map(({ reasoning = '' }) => reasoning).join('')).toBe(said.reasoning)
  })

  test('is counted in the usage', async () => {
    const { usage } = await answer(CHAT, hi({ reasoning_effort: 'high' }))
    const { completion_tokens: all, completion_tokens_details: details } = usage ?? {}
    const { reasoning_tokens: reasoning } = details as { reasoning_tokens: number }
    expect(reasoning).toBeGreaterThan(1)
    expect(all).toBe(reasoning + 3)
  })

  test.each(['none', null, undefined])('is absent at the effort %s', async (effort) => {
    expect(await message(hi({ reasoning_effort: effort }))).not.toHaveProperty('reasoning')
  })

  test('comes before a tool call, too', async () => {
    const tools = [{ type: 'function', function: { name: 'look' } }]
    const streamed = await deltas(hi({ reasoning_effort: 'low', tools }))
    const kinds = streamed.map((delta) => Object.keys(delta).join())
    expect(kinds.join(' ')).toMatch(/^role,content( reasoning)+( tool_calls)+ $/)
  })
})

test('the same job has the same answer', async () => {
  const body = hi({ n: 2, tools: [{ type: 'function', function: { name: 'look' } }] })
  const choices = async (id: string): Promise<readonly Choice[]> =>
    (await answer(CHAT, body, { id })).choices
  expect(await choices('a')).toEqual(await choices('a'))
  expect(await choices('b')).not.toEqual(await choices('a'))
})

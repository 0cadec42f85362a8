import { describe, expect, test } from 'vitest'
import {
  CHAT,
  COMPLETIONS,
  EMBEDDINGS,
  answer,
  hi,
  request,
  user,
} from '../../../support/echo-answers.ts'

describe('a completion of the echo engine', () => {
  test('has its prompt for its text, and the form of the API', async () => {
    expect(await answer(COMPLETIONS, { model: 'm', prompt: 'Once upon' })).toEqual({
      id: 'cmpl-j',
      object: 'text_completion',
      created: expect.any(Number) as number,
      model: 'm',
      choices: [{ index: 0, text: 'echo: Once upon', logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
    })
  })

  test('is streamed word by word', async () => {
    const asked = { prompt: 'Once upon', stream: true, stream_options: { include_usage: true } }
    const { outcome, told } = await request(COMPLETIONS, asked)
    const usage = told.pop()
    expect(usage?.chunk).toMatchObject({ choices: [], usage: { total_tokens: 5 } })
    expect(told.map(({ text, chunk }) => [text, chunk.object, ...chunk.choices])).toEqual(
      [
        ['echo: ', null],
        ['Once ', null],
        ['upon', null],
        ['', 'stop'],
      ].map(([text, reason]) => [
        text,
        'text_completion',
        { index: 0, text, logprobs: null, finish_reason: reason },
      ]),
    )
    expect(outcome).toMatchObject({ content: 'echo: Once upon', finishReason: 'stop' })
  })

  test('has n choices for each of several prompts', async () => {
    const { choices } = await answer(COMPLETIONS, { prompt: ['a', 'b'], n: 2 })
    expect(choices.map(({ index, text }) => [index, text])).toEqual([
      [0, 'echo: a'],
      [1, 'echo: a'],
      [2, 'echo: b'],
      [3, 'echo: b'],
    ])
  })

  test('has as many choices as are asked for', async () => {
    const prompt = Array.from({ length: 2_048 }, () => 'a')
    expect((await answer(COMPLETIONS, { prompt, n: 128 })).choices).toHaveLength(262_144)
  })

  test('takes tokens, too', async () => {
    const texts = async (prompt: unknown) =>
      (await answer(COMPLETIONS, { prompt })).choices.map(({ text }) => text)
    expect(await texts([5, 6])).toEqual(['echo: 5 6'])
    expect(await texts([[5, 6], [7]])).toEqual(['echo: 5 6', 'echo: 7'])
  })

  test('stops after so many tokens', async () => {
    const { choices } = await answer(COMPLETIONS, { prompt: 'a b c', max_tokens: 2 })
    expect(choices[0]).toMatchObject({ text: 'echo: a ', finish_reason: 'length' })
  })
})

describe('embeddings of the echo engine', () => {
  const vectors = async (body: object) =>
    (await answer(EMBEDDINGS, { model: 'm', ...body })).data.map(({ embedding }) => embedding)

  test('are of 8 numbers and length 1, and have the form of the API', async () => {
    const { outcome, told } = await request(EMBEDDINGS, { model: 'm', input: 'one two' })
    expect([outcome, told]).toMatchObject([{ kind: 'succeeded', content: '' }, []])
    const { data, ...rest } = await answer(EMBEDDINGS, { model: 'm', input: 'one two' })
    expect(rest).toEqual({
      object: 'list',
      model: 'm',
      usage: { prompt_tokens: 2, total_tokens: 2 },
    })
    expect(data).toEqual([
      { object: 'embedding', index: 0, embedding: expect.any(Array) as number[] },
    ])
    const vector = data[0]?.embedding as number[]
    expect(vector).toHaveLength(8)
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  })

  test('are the same for the same input alone, wherever it is', async () => {
    const [a, b] = await vectors({ input: ['a', 'b'] })
    expect(a).not.toEqual(b)
    expect(await vectors({ input: 'b' })).toEqual([b])
    expect(await vectors({ input: ['b', 'a', 'b'] })).toEqual([b, a, b])
    const tokens = await vectors({ input: [[1, 2], [12]] })
    expect(tokens[0]).not.toEqual(tokens[1])
    expect(await vectors({ input: [1, 2] })).toEqual([tokens[0]])
  })

  test.each([1, 3, 8, 9, 1_536])('have as many dimensions as are asked for: %i', async (size) => {
    const [vector] = (await vectors({ input: 'a', dimensions: size })) as number[][]
    expect(vector).toHaveLength(size)
    expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 5)
    expect(new Set(vector).size).toBe(size)
  })

  test('are the same numbers in base64', async () => {
    const asked = { input: ['a', 'b'], dimensions: 5 }
    const floats = await vectors({ ...asked, encoding_format: 'float' })
    const texts = (await vectors({ ...asked, encoding_format: 'base64' })) as string[]
    const read = texts.map((text) => {
      const bytes = Buffer.from(text, 'base64')
      return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))
    })
    expect(read).toEqual(floats)
  })
})

describe('a failure on demand', () => {
  const failed = async (...given: Parameters<typeof request>) => (await request(...given)).outcome

  test.each([
    ['error 400 tools', { status: 400, param: 'tools', code: 'invalid_value' }],
    ['error 400 tools bad_tools', { status: 400, param: 'tools', code: 'bad_tools' }],
    ['error 429 messages', { status: 429, param: 'messages', code: 'rate_limit_exceeded' }],
    ['error 503', { status: 503, code: 'server_error' }],
  ])('%s', async (text, expected) => {
    for (const stream of [true, false]) {
      const { outcome, told } = await request(CHAT, hi({ stream }, text))
      expect(told).toEqual([])
      expect(outcome).toEqual({
        kind: 'failed',
        type: expect.any(String) as string,
        message: 'the echo engine was told to fail',
        ...expected,
      })
    }
  })

  test('is of every endpoint', async () => {
    const text = 'error 400 user'
    const expected = { kind: 'failed', type: 'invalid_request_error', status: 400, param: 'user' }
    expect(await failed(COMPLETIONS, { prompt: text })).toMatchObject(expected)
    expect(await failed(EMBEDDINGS, { input: ['a', text] })).toMatchObject(expected)
    expect(await failed(CHAT, hi({}, [{ type: 'text', text }]))).toMatchObject(expected)
  })

  test.each(['an error 400 tools', 'error 200 x', 'error 99', 'error 4000 x', 'errors 400 x'])(
    'is not: %s',
    async (text) => {
      expect(await failed(CHAT, hi({}, text))).toMatchObject({ content: `echo: ${text}` })
    },
  )

  test('is of the last message of the user alone', async () => {
    const messages = [user('error 400 x'), user('Hi')]
    expect(await failed(CHAT, { messages })).toMatchObject({ content: 'echo: Hi' })
  })
})

describe('a request that is not of the API is a 400 that names the field', () => {
  test.each([
    [CHAT, {}, 'messages'],
    [CHAT, { messages: [] }, 'messages'],
    [CHAT, { messages: 'Hi' }, 'messages'],
    [CHAT, { messages: [user('Hi'), 'Hi'] }, 'messages[1]'],
    [CHAT, { messages: [{ content: 'Hi' }] }, 'messages[0].role'],
    [CHAT, { messages: [user(5)] }, 'messages[0].content'],
    [CHAT, hi({ n: 0 }), 'n'],
    [CHAT, hi({ n: 1.5 }), 'n'],
    [CHAT, hi({ n: 1e9 }), 'n'],
    [CHAT, hi({ max_tokens: 0 }), 'max_tokens'],
    [CHAT, hi({ max_completion_tokens: 'few' }), 'max_completion_tokens'],
    [CHAT, hi({ reasoning_effort: 3 }), 'reasoning_effort'],
    [CHAT, hi({ response_format: 'json' }), 'response_format'],
    [CHAT, hi({ response_format: { type: 'yaml' } }), 'response_format.type'],
    [CHAT, hi({ response_format: { type: 'json_schema' } }), 'response_format.json_schema'],
    [COMPLETIONS, {}, 'prompt'],
    [COMPLETIONS, { prompt: [] }, 'prompt'],
    [COMPLETIONS, { prompt: ['a', 5] }, 'prompt'],
    [COMPLETIONS, { prompt: Array.from({ length: 2_049 }, () => 'a') }, 'prompt'],
    [EMBEDDINGS, {}, 'input'],
    [EMBEDDINGS, { input: '' }, 'input'],
    [EMBEDDINGS, { input: [] }, 'input'],
    [EMBEDDINGS, { input: ['a', ''] }, 'input'],
    [EMBEDDINGS, { input: [[]] }, 'input'],
    [EMBEDDINGS, { input: { text: 'a' } }, 'input'],
    [EMBEDDINGS, { input: 'a', dimensions: 0 }, 'dimensions'],
    [EMBEDDINGS, { input: 'a', dimensions: 1e9 }, 'dimensions'],
    [EMBEDDINGS, { input: 'a', encoding_format: 'hex' }, 'encoding_format'],
  ])('%s %j', async (endpoint, body, param) => {
    const { outcome } = await request(endpoint, body)
    expect(outcome).toEqual({
      kind: 'failed',
      type: 'invalid_request_error',
      message: expect.stringContaining(param) as string,
      status: 400,
      code: 'invalid_value',
      param,
    })
  })

  test('an endpoint that it does not know is a 404', async () => {
    const { outcome } = await request('/v1/audio/speech', {})
    expect(outcome).toMatchObject({ kind: 'failed', status: 404, code: 'unknown_url' })
  })
})

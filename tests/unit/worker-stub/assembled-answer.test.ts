import { describe, expect, test } from 'vitest'
import { AssembledAnswer } from '../../../worker-stub/engines/assembled-answer.ts'

type Chunk = object | string

/** What becomes of these chunks, as text. */
function bodyOf(chunks: readonly Chunk[], endpoint = '/v1/chat/completions'): string | undefined {
  const answer = new AssembledAnswer(endpoint)
  for (const chunk of chunks) {
    const source = typeof chunk === 'string' ? chunk : JSON.stringify(chunk)
    answer.add(JSON.parse(source), source)
  }
  return answer.body('')
}
const parsed = (chunks: readonly Chunk[]) => JSON.parse(bodyOf(chunks) ?? 'null')
const of = (delta: object, more: object = {}, index = 0) => ({
  choices: [{ index, delta, finish_reason: null, ...more }],
})
const messageOf = (...deltas: object[]) =>
  parsed(deltas.map((delta) => of(delta))).choices[0].message
const call = (piece: object) => ({ tool_calls: [piece] })

describe('the answer that chunks are pieces of', () => {
  test('is a chat completion', () => {
    const end = { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }
    const found = parsed([
      { id: 'x', object: 'chat.completion.chunk', ...of({ role: 'assistant', content: '' }) },
      of({ reasoning_content: 'h' }),
      of({ reasoning_content: 'm', content: 'A' }),
      of({ content: 'I', refusal: null }),
      { id: 'x', system_fingerprint: 'f', usage: null, ...end },
      { id: 'x', choices: [], usage: { prompt_tokens: 1 } },
    ])
    expect(found).toEqual({
      id: 'x',
      object: 'chat.completion',
      system_fingerprint: 'f',
      usage: { prompt_tokens: 1 },
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'AI', reasoning_content: 'hm', refusal: null },
          finish_reason: 'tool_calls',
        },
      ],
    })
  })

  test.each([
    ['a text', [of({ role: 'assistant', content: 'A', refusal: null }), of({ content: 'I' })]],
    ['a text with an usage', [of({ content: 'A' }), { choices: [], usage: { prompt_tokens: 1 } }]],
    ['nothing', []],
    ['no choices', [{ data: [] }]],
    ['a choice that is none', [{ choices: [5, null] }]],
  ])('is left out where it is no more than %s', (_, chunks) => {
    expect(bodyOf(chunks)).toBeUndefined()
  })

  test('has each call once, with all of its arguments', () => {
    const { tool_calls: calls } = messageOf(
      call({ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } }),
      call({ index: 0, id: 'a', type: 'function', function: { name: 'f' }, extra: { a: 1 } }),
      call({ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '{"b"' } }),
      call({ index: 0, id: null, function: { name: null, arguments: '{}' } }),
      call({ index: 1, function: { arguments: ':2}', strict: true } }),
    )
    expect(calls).toEqual([
      { id: 'a', type: 'function', extra: { a: 1 }, function: { name: 'f', arguments: '{}' } },
      {
        id: 'b',
        type: 'function',
        function: { name: 'g', arguments: '{"b":2}', strict: true },
      },
    ])
  })

  test('tells calls without a number, or all with the number 0, apart', () => {
    const whole = (id: string, more: object = {}) =>
      call({ ...more, id, function: { name: id, arguments: `"${id}"` } })
    const ids = (message: { tool_calls: { id: string }[] }) =>
      message.tool_calls.map(({ id }) => id)
    expect(ids(messageOf(whole('a', { index: 0 }), whole('b', { index: 0 })))).toEqual(['a', 'b'])
    const without = messageOf(whole('a'), call({ function: { arguments: '!' } }), whole('b'))
    expect(without.tool_calls).toMatchObject([
      { id: 'a', function: { arguments: '"a"!' } },
      { id: 'b', function: { arguments: '"b"' } },
    ])
  })

  test('has the older function call, custom calls and sound', () => {
    expect(
      messageOf(
        { function_call: { name: 'f', arguments: '{' } },
        { function_call: { name: 'f', arguments: '}' } },
        call({ index: 0, id: 'c', type: 'custom', custom: { name: 'p', input: 'a' } }),
        call({ index: 0, custom: { input: 'b' } }),
        { audio: { id: 's', data: 'AAA' } },
        { audio: { data: 'BBB', expires_at: 5 } },
      ),
    ).toMatchObject({
      function_call: { name: 'f', arguments: '{}' },
      tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'p', input: 'ab' } }],
      audio: { id: 's', data: 'AAABBB', expires_at: 5 },
    })
  })

  test('has the fields of a delta that it does not know: of texts all pieces, else the last', () => {
    expect(
      messageOf({ more: 'a', list: [1], n: 1 }, { more: 'b', list: [2], n: null }),
    ).toMatchObject({ more: 'ab', list: [2], n: 1 })
    expect(messageOf({ reasoning: 'a' }, { reasoning: null }, { reasoning: 'b' })).toMatchObject({
      reasoning: 'ab',
      content: null,
    })
  })

  test('has the parts of a content that is a list', () => {
    const thought = { type: 'thinking', thinking: [{ type: 'text', text: 'h' }] }
    expect(
      messageOf({ content: [thought] }, { content: 'A' }, { content: 'I' }, { content: [thought] }),
    ).toEqual({
      role: 'assistant',
      content: [thought, { type: 'text', text: 'AI' }, thought],
    })
  })

  test('has every choice, in the order of their numbers', () => {
    const chunks = [of({ content: 'b' }, {}, 1), of({ content: 'a' }), of({}, { stop: 7 }, 1)]
    expect(parsed(chunks).choices).toMatchObject([
      { index: 0, message: { content: 'a' }, finish_reason: null },
      { index: 1, message: { content: 'b' }, stop: 7 },
    ])
  })

  test('has a whole message only where no delta said anything', () => {
    const message = { role: 'assistant', content: 'AI', reasoning: 'hm' }
    const last = { choices: [{ index: 0, delta: {}, message, finish_reason: 'stop' }] }
    expect(parsed([last]).choices[0].message).toEqual(message)
    const streamed = parsed([of({ reasoning: 'hm' }), of({ content: 'AI' }), last])
    expect(streamed.choices[0].message).toEqual(message)
  })

  test('of the older completions has texts and their probabilities', () => {
    const piece = (text: string, token: string) =>
      `{"choices":[{"index":0,"text":"${text}","logprobs":{"tokens":["${token}"],"token_logprobs":[-1.50]}}]}`
    expect(bodyOf([piece('A', 'a'), piece('I', 'i')], '/v1/completions')).toBe(
      '{"object":"text_completion","choices":[{"index":0,"text":"AI","logprobs":{"tokens":["a","i"],"token_logprobs":[-1.50,-1.50]},"finish_reason":null}]}',
    )
  })

  test('has what is no text as its source text', () => {
    const chunk =
      '{"created":1.0,"seed":9007199254740993,"__proto__":{"x":-0},"choices":[{"index":0,"delta":{"content":"x","__proto__":[1e400],"n":1.0},"logprobs":{"content":[{"token":"x","logprob":-0.0}]},"finish_reason":{"type":"stop","at":2.0}}],"usage":{"prompt_tokens":1.0}}'
    expect(bodyOf([chunk])).toBe(
      '{"created":1.0,"seed":9007199254740993,"__proto__":{"x":-0},"usage":{"prompt_tokens":1.0},"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x","__proto__":[1e400],"n":1.0},"logprobs":{"content":[{"token":"x","logprob":-0.0}]},"finish_reason":{"type":"stop","at":2.0}}]}',
    )
  })

  test('joins a character that came in two halves', () => {
    const [high, low] = ['\ud83c', '\udf89']
    expect(messageOf({ reasoning: high }, { reasoning: low }).reasoning).toBe('🎉')
  })

  test('is left out where the gateway could not read so large a result', () => {
    const thoughts = 'x'.repeat(4 * 1024 * 1024)
    const all = (count: number) =>
      bodyOf(Array.from({ length: count }, () => of({ reasoning: thoughts })))
    expect(all(7)?.length).toBeGreaterThan(7 * thoughts.length)
    expect(all(8)).toBeUndefined()
    expect(all(9)).toBeUndefined()
    const answer = new AssembledAnswer('/v1/chat/completions')
    answer.add(of({ reasoning: thoughts }), JSON.stringify(of({ reasoning: thoughts })))
    expect(answer.body('é'.repeat(15 * 1024 * 1024))).toBeUndefined()
  })
})

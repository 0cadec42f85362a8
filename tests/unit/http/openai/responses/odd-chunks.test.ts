import { describe, expect, test } from 'vitest'
import { ResponseFold } from '../../../../../src/http/openai/responses/response-fold.ts'
import { chunks, say, succeeded, text } from '../../../../support/chunk-stream.ts'
import { bodyOf, callPiece, chunkOf, endOf, frameOf } from '../../../../support/response-stream.ts'
import { randomJson } from '../../../../support/random-json.ts'
import { pickOf, randomOf } from '../../../../support/random.ts'
import type { JobEvent } from '../../../../../src/job.ts'

const f = { id: 'x', name: 'f' }
const noise = [
  {},
  [],
  'null',
  '7',
  '"text"',
  { choices: null },
  { choices: [] },
  { choices: {} },
  { choices: [null, 1, 'a'] },
  { choices: [{ index: 1, delta: { content: 'of another choice', tool_calls: [{ id: 'z' }] } }] },
  { choices: [{ index: 0, delta: null, finish_reason: null, logprobs: null }] },
  { choices: [{ index: 0, delta: [] }] },
  { choices: [], usage: null },
  { choices: [], usage: 'many' },
  chunkOf({ role: 'assistant', content: null, refusal: null, reasoning: null, tool_calls: null }),
  chunkOf({ content: '', reasoning: '', reasoning_content: '', refusal: '', tool_calls: [] }),
  chunkOf({ content: 7, reasoning: {}, refusal: [], tool_calls: 'f', function_call: 'f' }),
  chunkOf({ content: [{ type: 'image', text: 'x' }, null, []], function_call: {} }),
  chunkOf({ tool_calls: [null, 7, {}, { index: 3 }, { index: 0, id: null, function: null }] }),
  chunkOf({ tool_calls: [{ index: 0, function: { name: null, arguments: null } }] }),
]

describe('a chunk', () => {
  test('that says nothing changes nothing', () => {
    const said = [say('AI'), callPiece(0, '{', f), callPiece(0, '}')]
    const mixed = said.flatMap((chunk) => [...noise, chunk]).concat(noise)
    const { type, output } = endOf([chunks('AI', ...mixed), succeeded({ content: 'AI' })])
    expect([type, ...output]).toEqual(['response.completed', 'message AI', 'function_call x f({})'])
  })

  test.each(['', 'no JSON', '{}', 'null'])('list that is %j leaves the text', (source) => {
    const delta: JobEvent = { kind: 'delta', id: '1-0', text: 'AI', chunks: source }
    expect(endOf([delta, succeeded({ content: 'AI' })]).output).toEqual(['message AI'])
  })

  test('comes with the last piece of a long text', () => {
    const pieces = [chunks('A'), chunks('I', say('AI'))]
    expect(endOf([...pieces, succeeded({ content: 'AI' })]).output).toEqual(['message AI'])
  })

  test.each<[string, object[], string[]]>([
    [
      'content in parts',
      [chunkOf({ content: [{ type: 'text', text: 'A' }, 'I'] })],
      ['message AI'],
    ],
    ['one part', [chunkOf({ content: { text: { value: 'AI' } } })], ['message AI']],
    [
      'thoughts in the content',
      [chunkOf({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'h' }] }, 'AI'] })],
      ['reasoning h', 'message AI'],
    ],
    [
      'thoughts under both names',
      [chunkOf({ reasoning: 'h', reasoning_content: 'h' })],
      ['reasoning h'],
    ],
    ['a whole message at the end', [{ choices: [{ message: { content: 'AI' } }] }], ['message AI']],
    [
      'a message that repeats the deltas',
      [say('AI'), { choices: [{ delta: {}, message: { content: 'AI' } }] }],
      ['message AI'],
    ],
    [
      'no index',
      [{ choices: [{ delta: { content: 'AI' } }, { delta: { content: 'no' } }] }],
      ['message AI'],
    ],
  ])('with %s is read', (_, said, output) => {
    expect(endOf([chunks('', ...said), succeeded()]).output).toEqual(output)
  })

  const g = { id: 'y', name: 'g' }
  test.each<[string, object[], string[]]>([
    ['arguments as an object', [callPiece(0, { a: [1] }, f)], ['x f({"a":[1]})']],
    ['an id and a name in each piece', [callPiece(0, '{', f), callPiece(0, '}', f)], ['x f({})']],
    [
      'a name behind the id',
      [callPiece(0, '{', { id: 'x' }), callPiece(0, '}', { name: 'f' })],
      ['x f({})'],
    ],
    [
      'an id behind the name',
      [callPiece(0, '{', { name: 'f' }), callPiece(0, '}', f)],
      ['call_j_0_0 f({})'],
    ],
    ['an id that changes', [callPiece(0, '{', f), callPiece(0, '}', { id: 'z' })], ['x f({})']],
    ['no name at all', [callPiece(0, '{}', { id: 'x' })], ['x ({})']],
    ['no id', [callPiece(0, '{}', { name: 'f' })], ['call_j_0_0 f({})']],
    ['one id for two', [callPiece(0, '1', f), callPiece(1, '2', f)], ['x f(1)', 'call_j_0_1 f(2)']],
    [
      'one number for two',
      [callPiece(0, '1', f), callPiece(0, '2', g), callPiece(0, '3')],
      ['x f(1)', 'y g(23)'],
    ],
    ['gaps in the numbers', [callPiece(7, '1', f), callPiece(2, '2', g)], ['x f(1)', 'y g(2)']],
    [
      'no number',
      [callPiece(undefined, '1', f), callPiece(undefined, '2'), callPiece(undefined, '3', g)],
      ['x f(12)', 'y g(3)'],
    ],
    [
      'no number, by ids',
      [
        callPiece(undefined, '1', f),
        callPiece(undefined, '3', g),
        callPiece(undefined, '2', { id: 'x' }),
      ],
      ['x f(12)', 'y g(3)'],
    ],
    [
      'neither number nor id',
      [callPiece(undefined, '1', { name: 'f' }), callPiece(undefined, '2', { name: 'g' })],
      ['call_j_0_0 f(1)', 'call_j_0_1 g(2)'],
    ],
    [
      'the older form',
      [
        chunkOf({ function_call: { name: 'f', arguments: '{' } }),
        chunkOf({ function_call: { arguments: '}' } }),
      ],
      ['call_j_0_0 f({})'],
    ],
  ])('whose calls have %s is read', (_, said, output) => {
    const calls = output.map((call) => `function_call ${call}`)
    expect(endOf([chunks('', ...said), succeeded()]).output).toEqual(calls)
  })
})

describe('a body', () => {
  test.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no choices', '{"object":"list"}'],
    ['only another choice', '{"choices":[{"index":1,"message":{"content":"no"}}]}'],
    ['no message', '{"choices":[{"index":0}]}'],
  ])('with %s leaves the content', (_, body) => {
    expect(endOf([succeeded({ content: 'AI', body })]).output).toEqual(['message AI'])
  })

  test('may have its first choice behind others', () => {
    const body = JSON.stringify({
      choices: [
        { index: 1, message: { content: 'no' } },
        { index: 0, message: { content: 'AI' } },
      ],
    })
    expect(endOf([succeeded({ body })]).output).toEqual(['message AI'])
  })
})

test('whatever JSON comes, nothing is thrown and the events are sound', () => {
  const random = randomOf(11)
  const pick = pickOf(random)
  const { value: json } = randomJson(random)
  const like = (): unknown => {
    const any = (): unknown => JSON.parse(json())
    const called = pick([any(), { name: pick(['f', any()]), arguments: pick(['{', any()]) }])
    const call = { index: pick([0, 1, any()]), id: pick(['x', any()]), function: called }
    const said = {
      content: pick(['A', any()]),
      reasoning: pick(['h', any()]),
      refusal: pick(['n', any()]),
      tool_calls: pick([[call], [call, any()], any()]),
      function_call: pick([called, any()]),
    }
    const holder = pick(['delta', 'message'])
    const choice = { [holder]: pick([said, said, any()]), logprobs: any(), finish_reason: any() }
    return pick([{ choices: [choice], usage: any() }, { choices: [choice] }, any()])
  }
  const ends = new Set<string>()
  for (let count = 0; count < 250; count += 1) {
    const said = Array.from({ length: count % 5 }, () => JSON.stringify(like()))
    const body = pick([undefined, json(), JSON.stringify(like())])
    const content = pick(['', 'A', 'AA'])
    const end = succeeded({ content, ...(body !== undefined && { body }) })
    ends.add(endOf([chunks('', ...said), pick([text('A'), chunks('')]), end]).type)
  }
  expect(ends.has('response.completed')).toBe(true)
})

test('deep nesting is no reason to fail', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const call = `{"index":0,"id":"x","function":{"name":"f","arguments":${deep}}}`
  const said = (name: string) =>
    `{"choices":[{"${name}":{"content":${deep},"reasoning":${deep},"tool_calls":[${call}]}}]}`
  const { output } = endOf([chunks('', said('delta')), succeeded({ body: said('message') })])
  expect(output).toEqual(['function_call x f()'])
})

test('the last delta of a long answer costs no more than the first', () => {
  const fold = new ResponseFold(frameOf())
  fold.begin()
  const one = chunks('a', say('a'.repeat(100)))
  const times = Array.from({ length: 32 }, () => {
    const start = performance.now()
    for (let count = 0; count < 1_000; count += 1) fold.step(one)
    return performance.now() - start
  })
  // Where each delta looks at all before it, the last ones take about thirty times as long.
  expect(Math.min(...times.slice(-4))).toBeLessThan(8 * Math.min(...times.slice(0, 4)))
})

test('the message is not said twice where a body follows it', () => {
  const message = { choices: [{ message: { content: 'AI' } }] }
  const end = succeeded({ body: bodyOf({ content: 'AI is' }) })
  expect(endOf([chunks('AI', message), end]).output).toEqual(['message AI is'])
})

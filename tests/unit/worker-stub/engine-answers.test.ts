import { describe, expect, test } from 'vitest'
import {
  C,
  D,
  F,
  HELLO,
  answerOf,
  ask,
  event,
  sends,
  upstream,
  whole,
} from '../../support/upstream.ts'

const hello = { kind: 'succeeded', content: 'Hello' }
const USAGE = { prompt_tokens: 7, completion_tokens: 2 }

describe('usage', () => {
  test.each([
    {},
    { prompt_tokens: 11, total_tokens: 11 },
    { prompt_tokens: 7, completion_tokens: null },
    { prompt_tokens_details: { cached_tokens: 0 } },
    { prompt_tokens: '7', completion_tokens: '2' },
    'n/a',
    null,
    [],
    0,
  ])('%j costs no answer, and a whole one counts', async (usage) => {
    const partial = event({ choices: [{ index: 0, delta: { content: 'lo' } }], usage })
    const good = event({ choices: [], usage: USAGE })
    expect(await answerOf([C('Hel'), partial, F(), D])).toEqual({
      ...hello,
      finishReason: 'stop',
      model: 'm',
    })
    expect(
      await answerOf([C('Hel'), partial, F(), good, event({ choices: [], usage }), D]),
    ).toEqual({
      ...hello,
      finishReason: 'stop',
      model: 'm',
      usage: { promptTokens: 7, completionTokens: 2 },
    })
  })
})

describe('what is no piece of text between two pieces', () => {
  test.each([
    ['empty data', 'data:\n\n'],
    ['blank data', 'data: \n\n'],
    ['tabs', 'data:\t \n\n'],
    ['a named heartbeat with blank data', 'event: ping\ndata: \n\n'],
    ['a named heartbeat with a text', 'event: ping\ndata: keep-alive\n\n'],
    ['a named heartbeat with JSON', 'event: ping\ndata: {"type":"ping"}\n\n'],
    ['a comment', ': OPENROUTER PROCESSING\n\n'],
    ['retry', 'retry: 3000\n\n'],
    ['an id', 'id: 5\n\n'],
    ['an unknown field', 'x-trace: 7\n\n'],
    ['null', 'data: null\n\n'],
    ['a chunk without choices', event({ prompt_filter_results: [] })],
    ['choices that are null', event({ choices: null })],
    ['a choice that is null', event({ choices: [null] })],
    ['a delta that is null', event({ choices: [{ index: 0, delta: null }] })],
    ['content that is null', C(null)],
    ['error that is null', event({ error: null, choices: [{ index: 0, delta: {} }] })],
    ['a finish reason that is empty', event({ choices: [{ delta: {}, finish_reason: '' }] })],
  ])('%s is passed over', async (_, between) => {
    expect(await answerOf([C('Hel'), between, C('lo'), F(), D])).toMatchObject(hello)
  })

  test.each([
    'data: [DONE] \n\n',
    'data:[DONE]\n\n',
    'data: [DONE]\t\n\n',
    'data: [DONE]',
    'data: [DONE]\n',
  ])('the end of the protocol is known also as %j', async (done) => {
    expect(await answerOf([C('Hello'), done])).toMatchObject(hello)
  })

  test('two events without a blank line between them are two', async () => {
    const all = [C('Hel'), C('lo'), F(), D].map((text) => text.replace('\n\n', '\n')).join('')
    expect(await answerOf([all, '\n'])).toMatchObject(hello)
  })
})

describe('content', () => {
  const thinking = [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }]
  test.each([
    ['a list of parts', [C(thinking), C([{ type: 'text', text: 'Hello' }])]],
    ['parts that are no text', [C('Hello'), C([{ type: 'reference', reference_ids: [1] }])]],
    [
      'several parts',
      [
        C([
          { type: 'text', text: 'Hel' },
          { type: 'text', text: 'lo' },
        ]),
      ],
    ],
    ['parts that are strings', [C(['Hel', 'lo'])]],
    ['output_text', [C([{ type: 'output_text', text: 'Hello' }])]],
    ['a part without a list', [C({ type: 'text', text: 'Hello' })]],
    ['a text with a value', [C([{ type: 'text', text: { value: 'Hello' } }])]],
    ['an empty list', [C([]), C('Hello'), C([])]],
    ['null parts', [C([null, { type: 'text', text: 'Hello' }, { type: 'text', text: null }])]],
  ])('of %s is its text', async (_, pieces) => {
    expect(await answerOf([...pieces, F(), D])).toMatchObject(hello)
  })

  test('of a whole completion may be parts as well', async () => {
    const text = whole({ content: [...thinking, { type: 'text', text: 'Hello' }] })
    expect(await answerOf([text], { 'content-type': 'application/json' })).toMatchObject(hello)
  })

  test('is passed on once where the last chunk repeats it as a message', async () => {
    const last = event({
      choices: [{ delta: {}, message: { content: 'Hello' }, finish_reason: 'stop' }],
    })
    expect(await answerOf([C('Hello'), last, D])).toMatchObject(hello)
  })
})

describe('the reason of the end', () => {
  test.each([
    'abort',
    'error',
    'ABORTED',
    'cancelled',
    'insufficient_system_resource',
    'network_error',
    'timeout',
  ])('%s means half an answer, which is none', async (reason) => {
    for (const pieces of [
      [C('Hel'), F(reason), D],
      [whole({ content: 'Hel' }, { finish_reason: reason })],
    ]) {
      const outcome = await answerOf(pieces)
      expect(outcome).toMatchObject({ kind: 'failed', type: 'upstream_error' })
      expect(JSON.stringify(outcome)).toContain(reason)
    }
  })

  test('abort is found in an object as well', async () => {
    expect(await answerOf([C('Hel'), F({ type: 'abort', message: 'x' }), D])).toMatchObject({
      kind: 'failed',
      message: 'the upstream ended the answer early (finish reason: abort)',
    })
  })

  test.each(['length', 'content_filter', 'eos_token', 'stop_sequence', 'something_new'])(
    '%s is a success that says so',
    async (finishReason) => {
      expect(await answerOf([C('Hello'), F(finishReason), D])).toMatchObject({
        ...hello,
        finishReason,
      })
    },
  )

  test.each([
    ['[DONE] without one', [C('Hello'), event({ choices: [], usage: USAGE }), D], hello],
    ['a whole completion with null', [whole({ content: 'Hello' }, { finish_reason: null })], hello],
    ['a whole completion without one', [whole({ content: 'Hello' }, {})], hello],
    ['one without [DONE]', [C('Hello'), F()], hello],
    ['neither', [C('Hello'), event({ choices: [], usage: USAGE })], { kind: 'failed' }],
    ['[DONE] and nothing else', [D], { kind: 'failed', type: 'upstream_error' }],
    ['only a usage', [event({ choices: [], usage: USAGE }), D], { kind: 'failed' }],
    ['nothing at all', [], { kind: 'failed' }],
  ] as const)('%s', async (_, pieces, expected) => {
    expect(await answerOf(pieces)).toMatchObject(expected)
  })
})

describe('an answer without text', () => {
  const reasoned = (field: string): string =>
    event({ choices: [{ index: 0, delta: { [field]: 'hm' } }] })
  const tool = event({
    choices: [{ delta: { tool_calls: [{ index: 0, function: { name: 'f' } }] } }],
  })
  test.each([
    [
      'reasoning, cut',
      [reasoned('reasoning_content'), F('length'), D],
      'reasoning (finish reason: length)',
    ],
    ['reasoning, ended', [reasoned('reasoning'), F('stop'), D], 'reasoning (finish reason: stop)'],
    [
      'reasoning and blank text',
      [reasoned('reasoning'), C('\n\n'), F('stop'), D],
      'reasoning (finish',
    ],
    [
      'thinking parts',
      [C([{ type: 'thinking', thinking: [] }]), F(), D],
      'reasoning (finish reason: stop)',
    ],
    ['tool calls', [tool, F('tool_calls'), D], 'tool calls (finish reason: tool_calls)'],
    ['a refusal', [whole({ content: null, refusal: 'no' })], 'a refusal (finish reason: stop)'],
    [
      'reasoning, whole',
      [whole({ content: '', reasoning_content: 'hm' }, { finish_reason: 'length' })],
      'length',
    ],
    ['nothing, cut', [C(''), F('length'), D], 'nothing (finish reason: length)'],
  ])('%s: is a failure that names what there was', async (_, pieces, message) => {
    const outcome = await answerOf(pieces)
    expect(outcome).toMatchObject({ kind: 'failed', type: 'empty_answer' })
    expect(outcome).toMatchObject({ message: expect.stringContaining(message) as string })
  })

  test('is an answer where the model had nothing to say', async () => {
    expect(await answerOf([C(''), F(), D])).toMatchObject({ kind: 'succeeded', content: '' })
  })

  test.each([
    ['reasoning', reasoned('reasoning_content')],
    ['empty tool calls', event({ choices: [{ delta: { tool_calls: [] } }] })],
  ])('%s beside a text is no fault', async (_, beside) => {
    expect(await answerOf([beside, ...HELLO])).toMatchObject(hello)
  })
})

test('the pieces of a stream are told as they come, compressed or not', async () => {
  const { url } = await upstream(sends([C('Hel'), C('lo'), F(), D]))
  expect((await ask(url)).deltas).toEqual(['Hel', 'lo'])
})

import { describe, expect, test } from 'vitest'
import { AssembledAnswer } from '../../../../worker-stub/engines/assembled-answer.ts'
import {
  chunks,
  heard,
  restart,
  restartOfContent,
  succeeded,
  write,
} from '../../../support/chunk-stream.ts'
import { endOf, eventsOf } from '../../../support/response-stream.ts'
import type { JobEvent } from '../../../../src/job.ts'

interface Said {
  readonly text: string
  readonly chunk: object
}
const said = (delta: object, text = '', more: object = {}, index = 0): Said => ({
  text,
  chunk: { choices: [{ index, delta, logprobs: null, finish_reason: null, ...more }] },
})
const piece = (index: number, given: string, more: object = {}) =>
  said({ tool_calls: [{ index, ...more, function: { arguments: given } }] })
const call = (index: number, id: string) =>
  said({
    tool_calls: [{ index, id, type: 'function', function: { name: `f_${id}`, arguments: '' } }],
  })
const end = (finish: string, index = 0): Said => ({
  text: '',
  chunk: { choices: [{ index, delta: {}, finish_reason: finish }] },
})
const token = (text: string) => ({ logprobs: { content: [{ token: text, logprob: -1 }] } })

/** Answers as an engine streams them. */
const ANSWERS: Readonly<Record<string, readonly Said[]>> = {
  'thoughts, text and two calls': [
    said({ role: 'assistant', content: '' }),
    said({ reasoning: 'h' }),
    said({ reasoning: 'm' }),
    said({ content: 'A' }, 'A', token('A')),
    said({ content: 'I' }, 'I', token('I')),
    call(0, 'a'),
    piece(0, '{"a"'),
    piece(0, ':1}'),
    call(1, 'b'),
    piece(1, '{}'),
    end('tool_calls'),
  ],
  'calls out of order': [
    said({ role: 'assistant', content: null, reasoning_content: 'hm' }),
    call(1, 'b'),
    piece(1, '{"b'),
    call(0, 'a'),
    piece(0, '{'),
    piece(1, '":2}'),
    piece(0, '}'),
    end('tool_calls'),
  ],
  'a refusal and the older call': [
    said({ role: 'assistant', refusal: 'n' }),
    said({ refusal: 'o' }),
    said({ function_call: { name: 'f', arguments: '{' } }),
    said({ function_call: { arguments: '}' } }),
    end('function_call'),
  ],
  'two choices': [
    said({ role: 'assistant', content: 'a' }, 'a'),
    said({ role: 'assistant', content: 'x' }, '', {}, 1),
    said({ content: 'b' }, 'b'),
    said({ content: 'y', more: 'm' }, '', {}, 1),
    end('stop'),
    said({ content: 'z', more: 'n', odd: 1 }, '', {}, 1),
    end('length', 1),
  ],
}

function resultOf(answer: readonly Said[]): JobEvent {
  const content = answer.map(({ text }) => text).join('')
  const assembled = new AssembledAnswer('/v1/chat/completions')
  for (const { chunk } of answer) assembled.add(chunk, JSON.stringify(chunk))
  const body = assembled.body(content)
  if (body === undefined) throw new Error('the content is all of this answer')
  return succeeded({ content, body })
}
const deltas = (answer: readonly Said[]) => answer.map(({ text, chunk }) => chunks(text, chunk))

/** The answer as a client puts it together that reads a stream of chunks. */
function clientsAnswer(events: readonly JobEvent[]) {
  const written = write(events)
  const client = new AssembledAnswer('/v1/chat/completions')
  for (const event of written) {
    if (event !== '[DONE]') client.add(event, JSON.stringify(event))
  }
  const { choices } = JSON.parse(client.body('') ?? '{}') as { choices: unknown }
  return { choices, end: heard(written).end }
}

describe.each(Object.entries(ANSWERS))('a stream of %s', (_, answer) => {
  const result = resultOf(answer)
  const whole = deltas(answer)

  test('is completed wherever it broke off', () => {
    const all = clientsAnswer([...whole, result])
    expect(all.end).toBe('[DONE]')
    for (let cut = 0; cut < whole.length; cut += 1) {
      expect([cut, clientsAnswer([...whole.slice(0, cut), result])]).toEqual([cut, all])
    }
  })

  test('has the same chunks with and without the body, where it did not break off', () => {
    const content = answer.map(({ text }) => text).join('')
    expect(write([...whole, result])).toEqual(write([...whole, succeeded({ content })]))
  })

  test('is completed as a response, wherever it broke off', () => {
    const all = endOf([...whole, result])
    const sorted = [...all.output].sort()
    for (let cut = 0; cut < whole.length; cut += 1) {
      const events = [...whole.slice(0, cut), result]
      const found = endOf(events)
      expect([cut, found.type, [...found.output].sort()]).toEqual([cut, all.type, sorted])
      const types = eventsOf(events).map(({ type }) => type)
      expect(types.filter((type) => type === 'response.in_progress')).toHaveLength(1)
    }
  })

  test('has the same events with and without the body, where it did not break off', () => {
    const content = answer.map(({ text }) => text).join('')
    expect(eventsOf([...whole, result])).toEqual(eventsOf([...whole, succeeded({ content })]))
  })
})

describe('a stream that broke off in a call, and another worker ends the job', () => {
  const first = [said({ role: 'assistant', content: 'A' }, 'A'), call(0, 'a'), piece(0, '{"a"')]
  const ends: Readonly<Record<string, readonly Said[]>> = {
    'other arguments': [said({ content: 'A' }, 'A'), call(0, 'a'), piece(0, '{"b":1}')],
    'another id': [said({ content: 'A' }, 'A'), call(0, 'b'), piece(0, '{"a":1}')],
    'another name': [
      said({ content: 'A' }, 'A'),
      said({ tool_calls: [{ index: 0, id: 'a', function: { name: 'g', arguments: '{"a":1}' } }] }),
    ],
    'no call': [said({ reasoning: 'hm' }), said({ content: 'A' }, 'A')],
    'another text': [said({ content: 'B' }, 'B'), call(0, 'a'), piece(0, '{"a":1}')],
  }

  test.each(Object.entries(ends))('with %s: chat tells that it was replaced', (_, second) => {
    const events = [...deltas(first), resultOf([...second, end('tool_calls')])]
    expect(heard(write(events)).end).toBe('worker_restarted')
  })

  test.each(Object.entries(ends))('with %s: a response begins again', (_, second) => {
    const result = resultOf([...second, end('tool_calls')])
    const found = endOf([...deltas(first), result])
    expect(found.type).toBe('response.completed')
    expect(found.output).toEqual(endOf([result]).output)
    const restarts = eventsOf([...deltas(first), result]).filter(
      ({ type }) => type === 'response.in_progress',
    )
    expect(restarts).toHaveLength(2)
  })

  test('with the same answer: the client gets the rest', () => {
    const second = [
      said({ content: 'A' }, 'A'),
      call(0, 'a'),
      piece(0, '{"a":1}'),
      end('tool_calls'),
    ]
    const found = clientsAnswer([...deltas(first), restartOfContent, resultOf(second)])
    expect(found).toEqual(clientsAnswer([resultOf(second)]))
  })
})

test('a second worker that repeats the text, and breaks off, is completed from the result', () => {
  const [one, two] = [said({ role: 'assistant', content: 'AI' }, 'AI'), said({ content: 'A' }, 'A')]
  const answer = [
    one,
    said({ content: ' is' }, ' is'),
    call(0, 'a'),
    piece(0, '{}'),
    end('tool_calls'),
  ]
  const result = resultOf(answer)
  const found = clientsAnswer([...deltas([one]), restart, ...deltas([two]), result])
  expect(found).toEqual(clientsAnswer([...deltas(answer), result]))
})

test('the older completions are completed, too', () => {
  const chunk = (index: number, text: string) => ({ choices: [{ index, text }] })
  const all = [chunk(0, 'A'), chunk(1, 'B'), chunk(0, 'I'), chunk(1, 'C')]
  const assembled = new AssembledAnswer('/v1/completions')
  for (const one of all) assembled.add(one, JSON.stringify(one))
  const body = assembled.body('AI')
  if (body === undefined) throw new Error('there is no body')
  for (let cut = 0; cut <= all.length; cut += 1) {
    const events = all
      .slice(0, cut)
      .map((one) => chunks(one.choices[0]?.index === 0 ? String(one.choices[0].text) : '', one))
    const written = write([...events, succeeded({ content: 'AI', body })], { kind: 'completions' })
    const texts = ['', '']
    for (const event of written) {
      if (event === '[DONE]') continue
      for (const { index, text = '' } of event.choices ?? []) texts[index] += text
    }
    expect([cut, texts, written.at(-1)]).toEqual([cut, ['AI', 'BC'], '[DONE]'])
  }
})

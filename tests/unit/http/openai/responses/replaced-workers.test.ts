import { describe, expect, test } from 'vitest'
import {
  chunks,
  rest,
  restart,
  restartOfContent,
  say,
  succeeded,
  text,
} from '../../../../support/chunk-stream.ts'
import {
  bodyOf,
  brief,
  callPiece,
  chunkOf,
  endOf,
  eventsOf,
  think,
} from '../../../../support/response-stream.ts'
import type { JobEvent } from '../../../../../src/job.ts'

const told = (...events: JobEvent[]) => eventsOf(events).map(brief)
const status: JobEvent = { kind: 'status', status: 'running' }

describe('a worker that is replaced', () => {
  test('begins again with an empty output and other ids', () => {
    const again = told(text('A'), restart, status, text('B'), succeeded({ content: 'B' }))
    expect(again.filter((event) => /item|_progress|^completed/.test(event))).toEqual([
      'created in_progress',
      'in_progress in_progress',
      'output_item.added msg_j_0_0',
      'in_progress in_progress',
      'output_item.added msg_j_1_0',
      'output_item.done msg_j_1_0',
      'completed completed',
    ])
  })

  test('voids nothing before it has written', () => {
    const first: JobEvent = { kind: 'restart', id: '0-0' }
    const end = succeeded({ content: 'B' })
    expect(told(first, text('B'), first, first, text('B'), end)).toEqual(
      told(text('B'), restart, text('B'), end),
    )
  })

  test('takes what the first one said of its end and its usage with it', () => {
    const usage = { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }
    const cut = chunkOf({}, { finish_reason: 'length' })
    const { type, response } = endOf([
      chunks('A', say('A'), cut, usage),
      restart,
      text('B'),
      succeeded({ content: 'B' }),
    ])
    expect([type, response.usage]).toEqual(['response.completed', null])
  })

  const call = callPiece(0, '{"a"', { id: 'x', name: 'f' })
  const tool = (id: string, name: string, given: unknown) => ({
    tool_calls: [{ id, type: 'function', function: { name, arguments: given } }],
  })
  test.each<[string, string[], JobEvent[], Parameters<typeof succeeded>[0]]>([
    ['text', ['message AI is'], [text('AI')], { content: 'AI is' }],
    ['the text of a body', ['message AI is'], [text('AI')], { body: bodyOf({ content: 'AI is' }) }],
    [
      'reasoning and text',
      ['reasoning hmm', 'message AI'],
      [chunks('', think('h'))],
      { content: 'AI', body: bodyOf({ reasoning_content: 'hmm', content: 'AI' }) },
    ],
    ['a refusal', ['message refusal no'], [], { body: bodyOf({ refusal: 'no' }) }],
    [
      'a call',
      ['function_call x f({"a":1})'],
      [chunks('', call)],
      { body: bodyOf(tool('x', 'f', '{"a":1}')) },
    ],
    [
      'a call with an object',
      ['function_call x f({"a":1})'],
      [chunks('', call)],
      { body: bodyOf(tool('x', 'f', { a: 1 })) },
    ],
    [
      'the older call',
      ['function_call call_j_0_0 f(1)'],
      [],
      { body: bodyOf({ function_call: { name: 'f', arguments: '1' } }) },
    ],
    [
      'what the chunks said beside the text',
      ['function_call x f({"a")', 'message A'],
      [chunks('', call)],
      { content: 'A' },
    ],
    [
      'a text that the chunks tell as parts',
      ['message AI'],
      [chunks('A', say('A'))],
      { content: 'AI' },
    ],
    ['chunks, where the result has no text', ['message A'], [chunks('', say('A'))], {}],
    [
      'chunks, where the text of the worker differs',
      ['message AI'],
      [chunks('a', say('A'))],
      { content: 'aI' },
    ],
  ])('or breaks off: the result has the rest of %s', (_, output, events, outcome) => {
    const all = [...events, restartOfContent, rest('is of the result'), succeeded(outcome)]
    expect(endOf(all).output).toEqual(output)
    expect(told(...all).filter((event) => event.startsWith('in_progress'))).toHaveLength(1)
  })

  test.each<[string, string[], JobEvent[], Parameters<typeof succeeded>[0]]>([
    ['text', ['message An'], [text('AI')], { content: 'An' }],
    ['no text', [], [text('AI')], {}],
    ['a shorter text', ['message A'], [chunks('AI', say('AI'))], { content: 'A' }],
    ['chunks without text', ['message xyz'], [chunks('', say('AI'))], { content: 'xyz' }],
    ['a body', ['message An'], [chunks('AI', say('AI'))], { body: bodyOf({ content: 'An' }) }],
    ['reasoning', ['message A'], [chunks('', think('h'))], { body: bodyOf({ content: 'A' }) }],
    [
      'a refusal',
      ['message A'],
      [chunks('', chunkOf({ refusal: 'n' }))],
      { body: bodyOf({ content: 'A' }) },
    ],
    ['no call', ['message A'], [chunks('', call)], { body: bodyOf({ content: 'A' }) }],
    [
      'a call by another name',
      ['function_call x g({"a")'],
      [chunks('', call)],
      { body: bodyOf(tool('x', 'g', '{"a"')) },
    ],
    [
      'a call with another id',
      ['function_call y f({"a")'],
      [chunks('', call)],
      { body: bodyOf(tool('y', 'f', '{"a"')) },
    ],
    [
      'other arguments',
      ['function_call x f({})'],
      [chunks('', call)],
      { body: bodyOf(tool('x', 'f', '{}')) },
    ],
  ])(
    'and whose result is another one (%s) begins again once more',
    (_, output, events, outcome) => {
      const all = [...events, restartOfContent, rest('is of the result'), succeeded(outcome)]
      expect(endOf(all).output).toEqual(output)
      expect(told(...all).filter((event) => event.startsWith('in_progress'))).toHaveLength(2)
    },
  )
})

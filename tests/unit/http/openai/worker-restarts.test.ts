import { describe, expect, test } from 'vitest'
import {
  call,
  chunks,
  heard,
  rest,
  restart,
  restartOfContent,
  role,
  say,
  stop,
  succeeded,
  text,
  write,
} from '../../../support/chunk-stream.ts'
import type { JobEvent } from '../../../../src/job.ts'

describe('a worker that is replaced mid-stream', () => {
  const again = (...events: JobEvent[]) => heard(write(events))

  test('is continued where it repeats the text, also in other pieces', () => {
    const end = succeeded({ content: 'AI is it' })
    const expected = {
      content: 'AI is it',
      roles: ['assistant'],
      finishes: ['stop'],
      end: '[DONE]',
    }
    expect(again(text('AI '), text('is'), restart, text('A'), text('I is it'), end)).toEqual(
      expected,
    )
    expect(
      again(
        chunks('AI is', role, say('AI is')),
        restart,
        chunks('', role),
        chunks('AI', say('AI')),
        chunks(' is it', say(' is it'), stop),
        end,
      ),
    ).toEqual(expected)
    // The second one writes text alone, the third nothing but its result.
    const third = [restart, rest('AI is it'), end]
    expect(again(chunks('AI', role, say('AI')), restart, text('AI '), ...third)).toEqual(expected)
    expect(again(chunks('AI', role, say('AI')), restartOfContent, rest('AI is it'), end)).toEqual(
      expected,
    )
  })

  test('is continued where nothing but the role was said, or the end as well', () => {
    const end = succeeded({ content: 'x' })
    const one = [chunks('x', role, say('x'), stop)]
    expect(again(chunks('', role), restart, ...one, end)).toMatchObject({
      content: 'x',
      roles: ['assistant'],
      end: '[DONE]',
    })
    expect(again(...one, restart, ...one, end)).toMatchObject({
      content: 'x',
      finishes: ['stop'],
      end: '[DONE]',
    })
    const withRole = {
      choices: [{ index: 0, delta: { role: 'assistant', ...call.choices[0]?.delta } }],
    }
    expect(again(chunks('', role), restart, chunks('', withRole), succeeded())).toMatchObject({
      roles: ['assistant'],
      finishes: ['tool_calls'],
    })
  })

  test.each([
    ['another text', [text('AI'), restart, text('An')]],
    ['another text in chunks', [chunks('AI', role, say('AI')), restart, chunks('An', say('An'))]],
    ['a shorter text', [chunks('AI', say('AI')), restart, chunks('A', say('A'), stop)]],
    ['a tool call', [chunks('AI', say('AI')), restart, chunks('', call)]],
    ['anything, after a tool call', [chunks('', role, call), restart]],
    ['more, after the end', [chunks('A', say('A'), stop), restart, chunks('AI', say('AI'))]],
    ['another result', [text('AI'), restartOfContent, rest('An'), succeeded({ content: 'An' })]],
    ['another result, after chunks', [chunks('AI', say('AI')), succeeded({ content: 'An' })]],
  ])('and says %s ends the stream with worker_restarted', (_, events) => {
    const found = write([...events, text('more'), succeeded({ content: 'more' })])
    expect(heard(found).end).toBe('worker_restarted')
    expect(found.filter((event) => event !== '[DONE]' && event.error)).toHaveLength(1)
  })
})

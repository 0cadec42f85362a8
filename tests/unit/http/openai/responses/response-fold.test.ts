import { describe, expect, test } from 'vitest'
import { chunks, done, role, say, stop, succeeded, text } from '../../../../support/chunk-stream.ts'
import {
  bodyOf,
  brief,
  callPiece,
  chunkOf,
  endOf,
  eventsOf,
  frameOf,
  think,
} from '../../../../support/response-stream.ts'
import type { JobEvent } from '../../../../../src/job.ts'

const told = (...events: JobEvent[]) => eventsOf(events).map(brief)
const status: JobEvent = { kind: 'status', status: 'running' }

describe('the events of a response', () => {
  test('of text, in their order', () => {
    expect(told(status, text('AI '), status, text('is'), succeeded({ content: 'AI is' }))).toEqual([
      'created in_progress',
      'in_progress in_progress',
      'output_item.added msg_j_0_0',
      'content_part.added',
      'output_text.delta AI ',
      'output_text.delta is',
      'output_text.done',
      'content_part.done',
      'output_item.done msg_j_0_0',
      'completed completed',
    ])
  })

  test('in the background begin with the queue', () => {
    const events = eventsOf([text('A'), succeeded({ content: 'A' })], frameOf({ background: true }))
    expect(events.slice(0, 3).map(brief)).toEqual([
      'created queued',
      'queued queued',
      'in_progress in_progress',
    ])
  })

  test('repeat the request, and say when it was complete', () => {
    const { response } = endOf([
      done({ kind: 'succeeded', content: 'A', usage: { promptTokens: 3, completionTokens: 4 } }),
    ])
    expect(response).toEqual({
      ...frameOf().echo,
      id: 'resp_j',
      object: 'response',
      created_at: 7,
      completed_at: 0,
      status: 'completed',
      error: null,
      incomplete_details: null,
      output: [
        {
          type: 'message',
          id: 'msg_j_0_0',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'A', annotations: [], logprobs: [] }],
        },
      ],
      usage: {
        input_tokens: 3,
        input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
        output_tokens: 4,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 7,
      },
    })
  })

  test('of reasoning, text and calls: each item ends where the next begins, and calls at the end', () => {
    const events = [
      chunks('', role, think('hm'), think('m')),
      chunks('a', say('a')),
      chunks(
        '',
        callPiece(0, '', { id: 'x', name: 'f' }),
        callPiece(1, '{', { id: 'y', name: 'g' }),
      ),
      chunks('b', callPiece(0, '{}'), callPiece(1, '}'), say('b'), think('so')),
      succeeded({ content: 'ab', finishReason: 'tool_calls' }),
    ]
    expect(told(...events).filter((event) => /item|delta/.test(event))).toEqual([
      'output_item.added rs_j_0_0',
      'reasoning_text.delta hm',
      'reasoning_text.delta m',
      'output_item.done rs_j_0_0',
      'output_item.added msg_j_0_1',
      'output_text.delta a',
      'output_item.done msg_j_0_1',
      'output_item.added fc_j_0_2',
      'output_item.added fc_j_0_3',
      'function_call_arguments.delta {',
      'function_call_arguments.delta {}',
      'function_call_arguments.delta }',
      'output_item.added msg_j_0_4',
      'output_text.delta b',
      'output_item.done msg_j_0_4',
      'output_item.added rs_j_0_5',
      'reasoning_text.delta so',
      'output_item.done fc_j_0_2',
      'output_item.done fc_j_0_3',
      'output_item.done rs_j_0_5',
    ])
    const { type, output } = endOf(events)
    expect([type, ...output]).toEqual([
      'response.completed',
      'reasoning hmm',
      'message a',
      'function_call x f({})',
      'function_call y g({})',
      'message b',
      'reasoning so',
    ])
  })

  test('of a refusal after text are two parts of one message', () => {
    const events = [chunks('a', say('a'), chunkOf({ refusal: 'n' }), chunkOf({ refusal: 'o' }))]
    expect(endOf([...events, succeeded({ content: 'a' })]).output).toEqual(['message a|refusal no'])
  })

  test('carry the logprobs of each delta, and all of them at its end', () => {
    const logprob = (token: string) => ({ token, bytes: null, logprob: -1, top_logprobs: [] })
    const told = { bytes: [], logprob: -1, top_logprobs: [] }
    const said = (content: string) =>
      chunkOf({ content }, { logprobs: { content: [logprob(content)] } })
    const whole = { content: [logprob('a'), logprob('b'), logprob('c')] }
    const body = bodyOf({ content: 'abc' }, { logprobs: whole })
    const events = eventsOf([
      chunks('ab', said('a'), said('b')),
      succeeded({ content: 'abc', body }),
    ])
    const all = events.flatMap(({ type, logprobs }) =>
      /output_text/.test(type) ? [[type.split('.')[2], logprobs]] : [],
    )
    const [a, b, c] = ['a', 'b', 'c'].map((token) => ({ token, ...told }))
    expect(all).toEqual([
      ['delta', [a]],
      ['delta', [b]],
      ['delta', [c]],
      ['done', [a, b, c]],
    ])
  })
})

describe('the end of a response', () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 4 }
  test.each([
    ['length', 'max_output_tokens'],
    ['max_tokens', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])('by %s is incomplete, and so is its last item', (finishReason, reason) => {
    const events = [chunks('AI', think('h'), say('AI'))]
    for (const end of [
      succeeded({ content: 'AI', finishReason }),
      succeeded({
        body: bodyOf({ reasoning: 'h', content: 'AI' }, { finish_reason: finishReason }),
      }),
    ]) {
      const { type, response, output } = endOf([...events, end])
      expect([type, response.incomplete_details, ...output]).toEqual([
        'response.incomplete',
        { reason },
        'reasoning h',
        'message AI incomplete',
      ])
    }
    const finish = chunkOf({}, { finish_reason: finishReason })
    expect(endOf([...events, chunks('', finish), succeeded({ content: 'AI' })]).type).toBe(
      'response.incomplete',
    )
  })

  test.each<[string, JobEvent, string, unknown]>([
    ['failed', done({ kind: 'failed', type: 'E', message: 'no memory' }), 'failed', 'no memory'],
    ['expired', done({ kind: 'expired' }), 'failed', 'the job expired before it had an outcome'],
    ['cancelled', done({ kind: 'cancelled' }), 'cancelled', undefined],
    ['lost', done(null), 'failed', 'the result of the job is gone'],
  ])('of a job that was %s is response.failed alone', (_, end, ended, message) => {
    expect(told(end)).toEqual(['created in_progress', `failed ${ended}`])
    const events = [
      chunks('AI', think('h'), say('AI'), callPiece(0, '{', { name: 'f' })),
      end,
      text('late'),
      succeeded({ content: 'late' }),
    ]
    const { type, response, output } = endOf(events)
    const error = message === undefined ? null : { code: 'server_error', message }
    expect([type, response.error, response.usage]).toEqual(['response.failed', error, null])
    expect(output).toEqual([
      'reasoning h',
      'message AI',
      'function_call call_j_0_2 f({) incomplete',
    ])
  })

  test('has the usage of the body, else of the chunks, else of the worker', () => {
    const details = {
      prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 6 },
    }
    const chunk = chunks('', stop, { choices: [], usage: { ...usage, ...details } })
    const worker = { usage: { promptTokens: 8, completionTokens: 9 } }
    const body = bodyOf({}, {}, { prompt_tokens: 1, completion_tokens: 1 })
    const totals = [
      [chunk, succeeded({ ...worker, body })],
      [chunk, succeeded(worker)],
      [succeeded(worker)],
      [chunks('', { choices: [], usage: { prompt_tokens: 1 } }), succeeded()],
    ].map((events) => endOf(events).response.usage)
    expect(totals.map((one) => one?.total_tokens)).toEqual([2, 4, 17, undefined])
    expect(totals[1]).toMatchObject({
      input_tokens_details: { cached_tokens: 5 },
      output_tokens_details: { reasoning_tokens: 6 },
    })
    expect(totals[3]).toBeNull()
  })
})

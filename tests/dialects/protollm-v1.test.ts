import { expect, test } from 'vitest'
import { protollmV1 } from '../../src/dialects/protollm-v1.ts'
import { capturedJob, dialectConformance, fixture } from './conformance.ts'
import type { CapturedMessage } from './conformance.ts'

const captured = fixture<{ job: CapturedMessage; redis_after_work: Record<string, string> }>(
  'protollm-v1/captured.json',
)
const result = captured.redis_after_work['llm-api:12345'] as string
const dialect = protollmV1.create({ REDIS_PREFIX: 'llm-api' })

dialectConformance(dialect, {
  job: capturedJob,
  message: captured.job,
  keys: Object.keys(captured.redis_after_work),
  results: [
    {
      name: 'succeeded',
      values: [result],
      means: {
        outcome: { kind: 'succeeded', content: 'Artificial Intelligence is… «ИИ»\n' },
      },
    },
  ],
  echoesRun: true,
})

const newRun = { wireId: '1', run: 'run-1', expiresAt: new Date() }

test('fields of `meta` that we do not know are carried beside the known ones', () => {
  const more = { top_p: 0.9, response_format: { type: 'text' }, model: 'theirs' }
  const meta = { ...capturedJob.meta, more }
  const { body } = dialect.encodeJob({ ...capturedJob, meta }, newRun)
  const sent = JSON.parse(body.toString()) as { kwargs: { prompt: { meta: object } } }
  expect(sent.kwargs.prompt.meta).toEqual({
    temperature: 0.5,
    tokens_limit: 1000,
    stop_words: ['stop'],
    model: 'gpt-model',
    top_p: 0.9,
    response_format: { type: 'text' },
  })
  expect(dialect.decodeJob({ body }, 'q').job.meta).toEqual({
    ...capturedJob.meta,
    more: { top_p: 0.9, response_format: { type: 'text' } },
  })
})

test('a priority is carried by the message, for the queues of newer workers', () => {
  const { priority } = dialect.encodeJob({ ...capturedJob, priority: 3 }, newRun)
  expect(priority).toBe(3)
})

test('an extended worker’s extras arrive', () => {
  const extended = JSON.stringify({
    content: 'x',
    usage: { prompt_tokens: 3, completion_tokens: 5 },
    finish_reason: 'length',
    model: 'm',
    anything: { else: true },
  })
  expect(dialect.decodeResult([extended])).toEqual({
    outcome: {
      kind: 'succeeded',
      content: 'x',
      usage: { promptTokens: 3, completionTokens: 5 },
      finishReason: 'length',
      model: 'm',
    },
  })
})

test('extras of the wrong type are dropped and the answer is kept', () => {
  const odd = JSON.stringify({ content: 'x', usage: 'much', finish_reason: 7, model: [] })
  expect(dialect.decodeResult([odd])).toEqual({ outcome: { kind: 'succeeded', content: 'x' } })
})

test('an error beside a content is a failure', () => {
  const failed = JSON.stringify({ content: '', error: { type: 'OOM', message: 'out of memory' } })
  expect(dialect.decodeResult([failed])).toEqual({
    outcome: { kind: 'failed', type: 'OOM', message: 'out of memory' },
  })
})

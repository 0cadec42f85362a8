import { expect, test } from 'vitest'
import { protollmV11 } from '../../src/dialects/protollm-v1-1.ts'
import { capturedJob, dialectConformance, fixture } from './conformance.ts'
import type { CapturedMessage } from './conformance.ts'

type Keys = Record<string, string>
const captured = fixture<{
  job: CapturedMessage
  redis_after_submit: Keys
  redis_after_work: Keys
}>('protollm-v1.1/captured.json')
const { redis_after_submit: submitted, redis_after_work: worked } = captured
const dialect = protollmV11.create({
  REDIS_PREFIX_FOR_STATUS: 'job-status',
  REDIS_PREFIX_FOR_ANSWER: 'job-answer',
  BASE_PRIORITY: 1,
})
const valuesOf = (keys: Keys, id: string) => [
  keys[`job-status:${id}`] ?? null,
  keys[`job-answer:${id}`] ?? null,
]
const content = "Test answer (your prompt) :role='user' content='What is AI?'"
const failure = {
  kind: 'failed',
  type: 'Exception',
  message: 'Simulated processing error',
} as const

dialectConformance(dialect, {
  job: { ...capturedJob, priority: 1 },
  message: captured.job,
  keys: ['job-status:12345', 'job-answer:12345'],
  results: [
    { name: 'submitted', values: valuesOf(submitted, '12345'), means: 'queued' },
    {
      name: 'completed, and not answered yet',
      values: [worked['job-status:12345'] as string, null],
      means: 'running',
    },
    {
      name: 'succeeded',
      values: valuesOf(worked, '12345'),
      means: { outcome: { kind: 'succeeded', content } },
    },
    { name: 'failed', values: valuesOf(worked, '12346'), means: { outcome: failure } },
  ],
})

test('what the worker is to find is what protollm_api writes, by the clock of this host', () => {
  const now = new Date(2026, 10, 22, 9, 54, 51)
  const prepared = dialect.prepare?.(capturedJob, '12345', now)
  const asCaptured = Object.entries(submitted).filter(([key]) => key.endsWith(':12345'))
  expect(Object.fromEntries((prepared ?? []).map(({ key, value }) => [key, value]))).toEqual(
    Object.fromEntries(asCaptured),
  )
})

test('says that it has begun, as its worker does', () => {
  const [status, answer] = dialect.encodeRunning?.(new Date()) ?? []
  expect(dialect.decodeResult([status as string, answer as null])).toBe('running')
})

test('a job without a priority has the base priority, in the message too', () => {
  const { body, priority } = dialect.encodeJob(capturedJob, {
    wireId: '12345',
    run: 'run-1',
    expiresAt: new Date(),
  })
  expect(priority).toBe(1)
  expect(JSON.parse(body.toString())).toMatchObject({ kwargs: { prompt: { priority: 1 } } })
})

test('a failure of a type that its models do not know is named in the message', () => {
  const failed = { kind: 'failed', type: 'OOM', message: 'too large' } as const
  const values = dialect.encodeOutcome(failed, { wireId: '1', now: new Date() })
  expect(dialect.decodeResult(values)).toEqual({
    outcome: { kind: 'failed', type: 'Exception', message: 'OOM: too large' },
  })
})

test('an answer stands, whatever the status says', () => {
  const values = [worked['job-status:12346'] as string, worked['job-answer:12345'] as string]
  expect(dialect.decodeResult(values)).toEqual({ outcome: { kind: 'succeeded', content } })
})

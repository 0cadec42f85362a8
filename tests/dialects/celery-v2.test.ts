import { expect, test } from 'vitest'
import { celeryV2 } from '../../src/dialects/celery-v2.ts'
import { capturedJob, dialectConformance, fixture } from './conformance.ts'
import type { CapturedMessage } from './conformance.ts'

const captured = fixture<{
  job: CapturedMessage
  redis_after_work: Record<string, { value: string }>
}>('celery-v2/captured.json')
const result = (id: string): string =>
  captured.redis_after_work[`celery-task-meta-${id}`]?.value as string
const dialect = celeryV2.create({ CELERY_TASK_NAME: 'generate' })
const { properties, body } = captured.job
/** What names the program and the moment, and what it shows of the content. */
const ofTheSender = {
  origin: 'protollm-gateway',
  kwargsrepr: '{...}',
  expires: '2026-11-22T09:54:51.250+00:00',
  // Celery repeats it in the result.
  parent_id: 'gateway_run_run-1',
}
const message = {
  body,
  properties: { ...properties, headers: { ...properties.headers, ...ofTheSender } },
}
const meta = (status: string, result: unknown): string =>
  JSON.stringify({ status, result, traceback: 'canary', children: [], task_id: '12345' })
const failure = {
  kind: 'failed',
  type: 'RuntimeError',
  message: 'Simulated processing error',
} as const

dialectConformance(dialect, {
  job: capturedJob,
  message,
  keys: ['celery-task-meta-12345'],
  results: [
    {
      name: 'succeeded',
      values: [result('12345')],
      means: { outcome: { kind: 'succeeded', content: 'echo: What is AI?' } },
    },
    { name: 'failed', values: [result('12346')], means: { outcome: failure } },
    { name: 'started', values: [meta('STARTED', { pid: 1 })], means: 'running' },
    { name: 'a state of its own', values: [meta('PROGRESS', { done: 3 })], means: 'running' },
    { name: 'to be tried again', values: [meta('RETRY', { exc_type: 'X' })], means: 'queued' },
    {
      name: 'revoked',
      values: [meta('REVOKED', { exc_type: 'TaskRevokedError', exc_message: ['revoked'] })],
      means: { outcome: { kind: 'cancelled' } },
    },
    {
      name: 'expired',
      values: [meta('REVOKED', { exc_type: 'TaskRevokedError', exc_message: ['expired'] })],
      means: { outcome: { kind: 'expired' } },
    },
    {
      name: 'a text alone',
      values: [meta('SUCCESS', 'fine')],
      means: { outcome: { kind: 'succeeded', content: 'fine' } },
    },
  ],
  echoesRun: true,
})

test('a task that returns neither a text nor a content has no readable result', () => {
  expect(() => dialect.decodeResult([meta('SUCCESS', null)])).toThrow('the result has no content')
  expect(() => dialect.decodeResult([meta('SUCCESS', 42)])).toThrow('the result has no content')
})

test('a parent that is a task is no run: a task may have replaced itself', () => {
  const replaced = { ...(JSON.parse(meta('SUCCESS', 'fine')) as object), parent_id: '12345' }
  expect(dialect.decodeResult([JSON.stringify(replaced)])).toEqual({
    outcome: { kind: 'succeeded', content: 'fine' },
  })
})

test('of what a task raised, type and arguments arrive, and no traceback', () => {
  const raised = { exc_type: 'OSError', exc_message: [2, 'No such file'], exc_module: 'builtins' }
  expect(dialect.decodeResult([meta('FAILURE', raised)])).toEqual({
    outcome: { kind: 'failed', type: 'OSError', message: '2, No such file' },
  })
})

test('a cancelled run is revoked by its stamp, which the same job asked for again does not have', () => {
  const { headers } = dialect.encodeJob(capturedJob, {
    wireId: '12345',
    run: 'run-1',
    expiresAt: new Date(),
  })
  expect(headers?.stamped_headers).toEqual(['gateway_run_run-1'])
  const { exchange, delivery } = dialect.encodeCancel?.({ wireId: '12345', run: 'run-1' }) ?? {}
  expect(exchange).toBe('celery.pidbox')
  expect(JSON.parse(String(delivery?.body))).toMatchObject({
    method: 'revoke_by_stamped_headers',
    arguments: { headers: headers?.stamps, terminate: false },
  })
})

test('the URLs of a Celery application are understood', () => {
  const rabbitUrl = (CELERY_BROKER_URL: string) =>
    celeryV2.addresses?.({ CELERY_BROKER_URL }).rabbitUrl
  expect(rabbitUrl('amqp://u:p@host:5672//')).toBe('amqp://u:p@host:5672')
  expect(rabbitUrl('pyamqp://u:p@host/')).toBe('amqp://u:p@host')
  expect(rabbitUrl('amqps://u:p@host/jobs')).toBe('amqps://u:p@host/jobs')
})

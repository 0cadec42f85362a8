import { expect, test, vi } from 'vitest'
import { protollmV1 } from '../../../src/dialects/protollm-v1.ts'
import { deadLetterHandler } from '../../../src/gateway/dead-letter.ts'
import { jobKeysOf } from '../../../src/redis/record/job-records.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { job } from '../../support/core.ts'
import type { DeadLetterOptions } from '../../../src/gateway/dead-letter.ts'

const dialect = protollmV1.create({ REDIS_PREFIX: 'p' })
const delivery = dialect.encodeJob(job, { wireId: 'j', run: 'r1', expiresAt: new Date() })
const letter = { queue: 'q', delivery, run: 'r1', reason: 'delivery_limit' }

function handlerOf(answer: DeadLetterOptions['records']['answer'], isHopeless = false) {
  const keysOf = (wireId: string) => jobKeysOf([`p:${wireId}`])
  const records = { answer, keysOf, canNeverSucceed: () => isHopeless }
  const log = createLog('silent')
  return deadLetterHandler({ dialect, records, log, metrics: createMetrics() })
}

test('a job that the broker gave up gets a failure as its outcome', async () => {
  const answer = vi.fn<DeadLetterOptions['records']['answer']>(async () => 'written')
  await handlerOf(answer)(letter)
  expect(answer).toHaveBeenCalledOnce()
  const [run, kind, values] = answer.mock.calls[0] ?? []
  expect({ run: run?.run, kind }).toEqual({ run: 'r1', kind: 'failed' })
  expect(values?.[0]).toContain('delivery_limit')
})

test('an expired one gets none: requests that wait for it end by their own clocks', async () => {
  const answer = vi.fn<DeadLetterOptions['records']['answer']>(async () => 'written')
  await handlerOf(answer)({ ...letter, reason: 'expired' })
  expect(answer).not.toHaveBeenCalled()
})

test('a Redis that is away is a reason to be brought the letter again', async () => {
  const away = handlerOf(async () => Promise.reject(new Error('away')))
  await expect(away(letter)).rejects.toThrow('away')
})

test('a refusal that stays the same is none, and neither is a message of another program', async () => {
  const refused = async () => Promise.reject(new Error('RECORD of a version'))
  await expect(handlerOf(refused, true)(letter)).resolves.toBeUndefined()
  const foreign = { ...letter, delivery: { body: Buffer.from('not ours') } }
  await expect(handlerOf(refused)(foreign)).resolves.toBeUndefined()
})

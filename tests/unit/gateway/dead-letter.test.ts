import { describe, expect, test, vi } from 'vitest'
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

function handlerOf(
  answer: DeadLetterOptions['records']['answer'],
  isHopeless = false,
  {
    returned,
    publish,
  }: Pick<DeadLetterOptions['records'], 'returned'> & Pick<DeadLetterOptions, 'publish'> = {
    returned: async () => 0,
    publish: async () => expect.unreachable(),
  },
) {
  const keysOf = (wireId: string) => jobKeysOf([`p:${wireId}`])
  const records = { answer, keysOf, canNeverSucceed: () => isHopeless, returned }
  const log = createLog('silent')
  return deadLetterHandler({ dialect, records, publish, log, metrics: createMetrics() })
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

describe('a job that workers gave back in order', () => {
  const answer = async () => expect.unreachable()
  const headers = { 'x-delivery-count': 2, 'x-first-death-reason': 'delivery_limit', own: 'x' }
  const received = { ...letter, delivery: { ...delivery, correlationId: 'r1', headers } }

  test('is published again as it was, for what is left of its life, and counted from 0', async () => {
    const returned = vi.fn<DeadLetterOptions['records']['returned']>(async () => 60_000)
    const publish = vi.fn<DeadLetterOptions['publish']>(async () => 'confirmed')
    await handlerOf(answer, false, { returned, publish })(received)
    const again = { ...delivery, headers: { own: 'x' } }
    const of = { queue: 'q', messageId: 'j', run: 'r1', expirationMs: 60_000 }
    expect(publish.mock.calls).toEqual([[{ ...of, delivery: again }]])
    expect(returned.mock.calls.map(([, isForgotten]) => isForgotten)).toEqual([undefined, true])
  })

  test('is brought again where the broker did not confirm it', async () => {
    const returned = vi.fn<DeadLetterOptions['records']['returned']>(async () => 60_000)
    const handle = handlerOf(answer, false, { returned, publish: async () => 'lost' })
    await expect(handle(received)).rejects.toThrow('lost')
    expect(returned).toHaveBeenCalledOnce()
  })
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { DONE, OPEN, coreScene, settled } from '../../support/core.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }),
)
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const refusal = new GatewayError('queue_full', 'full')
const away = new GatewayError('results_down', 'away')

async function codeOf(wait: Promise<unknown>): Promise<string | undefined> {
  const ending = (await wait) as { error?: GatewayError }
  return ending.error?.code
}

describe('a job whose id is free', () => {
  test('is published once, and read when an event tells of its result', async () => {
    const { begin, hint, reads, publishes, records, broker, watch } = coreScene()
    const pending = begin()
    await settled()
    expect(broker.publish).toHaveBeenCalledOnce()
    expect(records.read).not.toHaveBeenCalled()
    publishes[0]?.confirm('confirmed')
    reads.push(DONE)
    hint()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' }, isReplay: false })
    expect(records.read).toHaveBeenCalledOnce()
    expect(records.settle).toHaveBeenCalledOnce()
    expect(records.markPublished).not.toHaveBeenCalled()
    expect(watch.end).toHaveBeenCalledOnce()
  })

  test('of which the broker says nothing is of unknown acceptance, unless its outcome has come', async () => {
    for (const found of [OPEN, DONE]) {
      const { begin, reads, publishes, broker, records } = coreScene()
      const pending = begin()
      await settled()
      reads.push(found)
      broker.publish.mock.calls[0]?.[0].onLate?.()
      await settled()
      const expected =
        found === OPEN ? { error: { code: 'acceptance_unknown' } } : { outcome: { content: 'x' } }
      expect(pending.waiters.ending).toMatchObject(expected)
      publishes[0]?.confirm('confirmed')
      await settled()
      // Told that nothing is known, the client comes again, perhaps to another replica.
      expect(records.markPublished).toHaveBeenCalledTimes(found === OPEN ? 1 : 0)
    }
  })

  test('and whose late answer is a refusal is released', async () => {
    const { begin, publishes, broker, records } = coreScene()
    begin()
    await settled()
    broker.publish.mock.calls[0]?.[0].onLate?.()
    await settled()
    publishes[0]?.refuse(refusal)
    await settled()
    expect(records.release).toHaveBeenCalledOnce()
  })

  test('has its outcome before the broker’s confirm: the wait does not stand behind it', async () => {
    const { begin, hint, reads, publishes, records } = coreScene()
    const pending = begin()
    await settled()
    reads.push(DONE)
    hint()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' } })
    publishes[0]?.confirm('confirmed')
    await settled()
    expect(records.markPublished).not.toHaveBeenCalled()
  })

  test('is read again when an event comes during a read that finds no end', async () => {
    const { begin, hint, reads, records } = coreScene()
    const pending = begin()
    await settled()
    reads.push(OPEN, DONE)
    hint()
    hint()
    await settled()
    hint()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' } })
    expect(records.read.mock.calls.length).toBeLessThanOrEqual(3)
  })

  test('is read again after a Redis that could not be asked', async () => {
    const { begin, hint, reads } = coreScene()
    const pending = begin()
    await settled()
    reads.push(away, DONE)
    hint()
    await settled()
    expect(pending.waiters.ending).toBeUndefined()
    hint('reconcile')
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' } })
  })

  test('is marked as published when it is pending for a second', async () => {
    const { begin, publishes, records, hint, reads } = coreScene()
    begin()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    vi.advanceTimersByTime(999)
    await settled()
    expect(records.markPublished).not.toHaveBeenCalled()
    vi.advanceTimersByTime(2)
    await settled()
    expect(records.markPublished).toHaveBeenCalledOnce()
    reads.push(DONE)
    hint()
    await settled()
  })

  test('is released when the broker refuses it, and the request gets the refusal', async () => {
    const { begin, publishes, records } = coreScene()
    const wait = begin().waiters.wait('ending', 1_000)
    await settled()
    publishes[0]?.refuse(refusal)
    expect(await codeOf(wait)).toBe('queue_full')
    expect(records.release).toHaveBeenCalledOnce()
  })

  test('may run all the same where the record could not be released', async () => {
    const { begin, publishes, records } = coreScene()
    records.release.mockResolvedValue(false)
    const wait = begin().waiters.wait('ending', 1_000)
    await settled()
    publishes[0]?.refuse(refusal)
    expect(await codeOf(wait)).toBe('acceptance_unknown')
  })

  test('is published again with the same run when its confirm was lost', async () => {
    const { begin, publishes, broker, hint, reads } = coreScene()
    begin()
    await settled()
    publishes[0]?.confirm('lost')
    await settled()
    const [first, second] = broker.publish.mock.calls.map(([message]) => message)
    expect(second).toMatchObject({ run: first?.run, messageId: 'j' })
    // A refusal of the second one says nothing about the first.
    publishes[1]?.refuse(refusal)
    await settled()
    reads.push(DONE)
    hint()
    await settled()
  })

  test('is of unknown acceptance when the broker answers nothing for 15 s; a late confirm marks it', async () => {
    const { begin, publishes, records } = coreScene()
    const wait = begin().waiters.wait('ending', 300_000)
    await settled()
    vi.advanceTimersByTime(15_001)
    expect(await codeOf(wait)).toBe('acceptance_unknown')
    publishes[0]?.confirm('confirmed')
    await settled()
    expect(records.markPublished).toHaveBeenCalledOnce()
  })

  test('is refused and released where a worker is required and none is there', async () => {
    const { begin, broker, records } = coreScene()
    broker.hasWorkers.mockResolvedValue(false)
    const wait = begin({ requireWorkers: true }).waiters.wait('ending', 1_000)
    expect(await codeOf(wait)).toBe('no_workers')
    expect(broker.publish).not.toHaveBeenCalled()
    expect(records.release).toHaveBeenCalledOnce()
  })

  test('expires at the end of its own life, after a last look', async () => {
    const { begin, claims, publishes, records } = coreScene()
    claims.push({ remainingMs: 500 })
    const wait = begin().waiters.wait('ending', 1_000)
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    vi.advanceTimersByTime(501)
    expect(await codeOf(wait)).toBe('job_expired')
    expect(records.read).toHaveBeenCalledOnce()
  })
})

test('what the claim itself writes for the worker is no reason to read', async () => {
  const { begin, records, hint, reads } = coreScene({ dialect: { prepare: () => [] } })
  begin()
  // Its event overtakes the claim's reply: these are two connections.
  hint()
  await settled()
  expect(records.read).not.toHaveBeenCalled()
  reads.push(DONE)
  hint()
  await settled()
  expect(records.read).toHaveBeenCalledOnce()
})

test('a request’s last look is done when the job has ended during it, too', async () => {
  const { begin, reads, publishes } = coreScene()
  const pending = begin()
  await settled()
  publishes[0]?.confirm('confirmed')
  await settled()
  reads.push(DONE)
  await pending.lookWithin(800)
  expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' } })
  await pending.lookWithin(800)
})

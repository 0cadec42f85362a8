import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { DONE, OPEN, coreScene, doneRecord, readOf, settled } from '../../support/core.ts'

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

describe('a job that another process publishes', () => {
  test('is read once after the SUBSCRIBE, and then when an event comes', async () => {
    const { begin, claims, reads, records, broker, hint } = coreScene()
    claims.push({ verdict: 'joined', isPublished: true, text: '' })
    reads.push(OPEN, DONE)
    const pending = begin()
    expect(await pending.waiters.wait('accepted', 1_000)).toBe('accepted')
    expect(records.read).toHaveBeenCalledOnce()
    hint()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' }, isReplay: false })
    expect(broker.publish).not.toHaveBeenCalled()
  })

  test('is taken over when its publisher is silent for the grace', async () => {
    const { begin, claims, broker, hint, reads, publishes } = coreScene()
    claims.push({ verdict: 'joined', text: '', ageMs: 1_000 }, { verdict: 'takeover', text: '' })
    begin()
    await settled()
    expect(broker.publish).not.toHaveBeenCalled()
    vi.advanceTimersByTime(4_051)
    await settled()
    expect(broker.publish).toHaveBeenCalledOnce()
    // Its first message may be queued: a refusal is no proof that the job will not run.
    publishes[0]?.refuse(refusal)
    await settled()
    reads.push(DONE)
    hint()
    await settled()
  })

  test('whose result is replayed has the end that it had', async () => {
    const { begin, claims, reads, records } = coreScene()
    claims.push({ verdict: 'replay', isPublished: true, isAnswered: true, text: '' })
    reads.push(readOf('{"content":"x"}', { record: doneRecord(2) }))
    const pending = begin()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ isReplay: true, finishedAt: 2 })
    expect(records.claim).toHaveBeenCalledOnce()
  })

  test.each([
    ['is gone', OPEN],
    ['was no success', readOf('{"error":{"type":"E","message":"m"}}')],
    ['was another run’s', readOf('{"content":"x","run":"r0"}')],
  ])('runs again where the result to replay %s', async (_, found) => {
    const { begin, claims, reads, broker, hint } = coreScene()
    claims.push({ verdict: 'replay', isPublished: true, isAnswered: true, text: '' }, {})
    reads.push(found)
    const pending = begin()
    await settled()
    expect(broker.publish).toHaveBeenCalledOnce()
    reads.splice(0, 1, DONE)
    hint()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ isReplay: false })
  })
})

describe('a result that may be an earlier run’s', () => {
  const unsure = { verdict: 'joined', isAnswered: true, isSure: false, text: '' } as const

  test('is not taken by the look after the SUBSCRIBE, and its record is asked again soon', async () => {
    const { begin, claims, reads, records } = coreScene()
    claims.push(unsure, { ...unsure, isSure: true })
    reads.push(DONE)
    const pending = begin()
    await settled()
    expect(pending.waiters.ending).toBeUndefined()
    vi.advanceTimersByTime(101)
    await settled()
    expect(records.claim).toHaveBeenCalledTimes(2)
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' }, isReplay: true })
  })

  test('is taken where it names the run', async () => {
    const { begin, claims, reads } = coreScene()
    claims.push(unsure)
    reads.push(readOf('{"content":"x","run":"r1"}'))
    const pending = begin()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' } })
  })

  test('is another one when an event tells of it', async () => {
    const { begin, claims, reads, hint } = coreScene()
    claims.push(unsure)
    reads.push(DONE)
    const pending = begin()
    await settled()
    hint('reconcile')
    await settled()
    expect(pending.waiters.ending).toBeUndefined()
    hint()
    await settled()
    expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'x' } })
  })

  test('ends nothing where no reader can read it', async () => {
    const { begin, claims, reads, records, hint } = coreScene()
    claims.push(unsure)
    reads.push(readOf('not JSON'), DONE)
    const pending = begin()
    await settled()
    expect(pending.waiters.ending).toBeUndefined()
    expect(records.finish).not.toHaveBeenCalled()
    hint()
    await settled()
  })
})

test('another run under the id is no end of ours: the id is claimed again', async () => {
  const { begin, claims, reads, records, hint, publishes } = coreScene()
  claims.push({}, { run: 'r2', verdict: 'joined', isPublished: true, text: '' })
  const pending = begin()
  await settled()
  reads.push(readOf('{"content":"theirs"}', { run: 'r2' }), readOf(null, { run: 'r2' }))
  hint()
  await settled()
  expect(records.claim).toHaveBeenCalledTimes(2)
  expect(pending.waiters.ending).toBeUndefined()
  // The answer about the message of the run that was given up says nothing now.
  publishes[0]?.refuse(refusal)
  await settled()
  expect(pending.waiters.ending).toBeUndefined()
  reads.splice(0, 9, readOf('{"content":"ours now"}', { run: 'r2' }))
  hint()
  await settled()
  expect(pending.waiters.ending).toMatchObject({ outcome: { content: 'ours now' } })
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

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

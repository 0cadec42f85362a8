import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { OPEN, coreScene, settled } from '../../support/core.ts'
import type { GatewayError } from '../../../src/errors.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }),
)
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

async function codeOf(wait: Promise<unknown>): Promise<string | undefined> {
  const ending = (await wait) as { error?: GatewayError }
  return ending.error?.code
}

describe('a job whose clients leave', () => {
  test('is cancelled when the last one leaves', async () => {
    const { begin, publishes, records, parts, watch } = coreScene()
    const pending = begin()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    expect(pending.leave()).toBe(true)
    await settled()
    expect(records.end).toHaveBeenCalledOnce()
    expect(parts.announceCancel).toHaveBeenCalledOnce()
    expect(records.markPublished).not.toHaveBeenCalled()
    expect(watch.end).toHaveBeenCalledOnce()
  })

  test('runs on where another process waits for it, and is marked', async () => {
    const { begin, publishes, records } = coreScene()
    records.end.mockResolvedValue('asked')
    const pending = begin()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    pending.leave()
    await settled()
    expect(records.markPublished).toHaveBeenCalledOnce()
  })

  test('runs on where a client was promised that it does, and is marked when the confirm comes', async () => {
    const { begin, publishes, records } = coreScene()
    const pending = begin()
    pending.promise()
    await settled()
    pending.leave()
    await settled()
    expect(records.end).not.toHaveBeenCalled()
    publishes[0]?.confirm('confirmed')
    await settled()
    expect(records.markPublished).toHaveBeenCalledOnce()
  })

  test('is cancelled although Redis is away when the last one leaves, and comes back', async () => {
    const { begin, publishes, records, watch } = coreScene()
    records.end.mockRejectedValueOnce(new Error('away')).mockResolvedValue('cancelled')
    const pending = begin()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    pending.leave()
    await settled()
    expect(watch.end).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1_000)
    await settled()
    expect(records.end).toHaveBeenCalledTimes(2)
    expect(watch.end).toHaveBeenCalledOnce()
  })

  test('is marked once Redis is back, where it was away for the mark', async () => {
    const { begin, publishes, records } = coreScene()
    records.markPublished.mockRejectedValueOnce(new Error('away'))
    const pending = begin()
    pending.promise()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    pending.leave()
    await settled()
    vi.advanceTimersByTime(1_000)
    await settled()
    expect(records.markPublished).toHaveBeenCalledTimes(2)
    expect(records.markPublished.mock.calls.map(([, , isKept]) => isKept)).toEqual([true, true])
  })

  test('is renewed at once when Redis was away, where clients still wait', async () => {
    const { begin, publishes, records, hint, reads } = coreScene()
    const pending = begin()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    vi.advanceTimersByTime(1_000)
    await settled()
    expect(records.markPublished).toHaveBeenCalledOnce()
    expect(records.renew).not.toHaveBeenCalled()
    vi.advanceTimersByTime(35_000 - 10_000)
    await settled()
    records.renew.mockClear()
    reads.push(OPEN)
    hint('reconcile')
    await settled()
    vi.advanceTimersByTime(1)
    await settled()
    expect(records.renew).toHaveBeenCalledOnce()
    pending.leave()
    await settled()
  })

  test('is not published when they leave before it was claimed', async () => {
    const { begin, broker, records } = coreScene()
    const pending = begin()
    pending.leave()
    await settled()
    expect(broker.publish).not.toHaveBeenCalled()
    expect(records.release).toHaveBeenCalledOnce()
  })

  test('is not published again when the time of one was over before it was accepted', async () => {
    const { begin, publishes, broker, records } = coreScene()
    const pending = begin()
    await settled()
    expect(pending.timeOut(1_000).code).toBe('acceptance_unknown')
    pending.leave()
    publishes[0]?.confirm('lost')
    await settled()
    expect(broker.publish).toHaveBeenCalledOnce()
    expect(records.end).not.toHaveBeenCalled()
  })
})

describe('a stop', () => {
  test('answers at once by what is known, and the record is marked all the same', async () => {
    const { begin, publishes, records } = coreScene()
    const pending = begin()
    const wait = pending.waiters.wait('ending', 1_000)
    await settled()
    pending.interrupt()
    expect(await codeOf(wait)).toBe('acceptance_unknown')
    publishes[0]?.confirm('confirmed')
    await settled()
    expect(records.markPublished).toHaveBeenCalledOnce()
  })

  test('does not wait for a read that hangs', async () => {
    const { begin, hint, publishes, records } = coreScene()
    const pending = begin()
    await settled()
    publishes[0]?.confirm('confirmed')
    await settled()
    let answer: (read: typeof OPEN) => void = () => {}
    records.read.mockReturnValue(new Promise((resolve) => (answer = resolve)))
    hint()
    await settled()
    pending.interrupt()
    expect(await codeOf(pending.waiters.wait('ending', 1))).toBe('interrupted')
    answer(OPEN)
    await settled()
  })

  test('releases what was claimed and not published', async () => {
    const { begin, broker, records } = coreScene()
    const pending = begin()
    pending.interrupt()
    expect(await codeOf(pending.waiters.wait('ending', 1))).toBe('draining')
    await settled()
    expect(broker.publish).not.toHaveBeenCalled()
    expect(records.release).toHaveBeenCalledOnce()
  })
})

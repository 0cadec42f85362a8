import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { interrupted } from '../../../src/errors.ts'
import { Waiters } from '../../../src/gateway/waiters.ts'

const left = { isGone: true, onGone: () => expect.unreachable() }
const ending = {
  outcome: { kind: 'succeeded', content: 'x' },
  isReplay: false,
  finishedAt: 0,
  readAt: 0,
} as const

describe('Waiters', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('every request gets the one ending, also one that asks after it', async () => {
    const waiters = new Waiters()
    const waits = [waiters.wait('ending', 1_000), waiters.wait('accepted', 2_000)]
    expect(waiters.end(ending)).toBe(true)
    expect(await Promise.all(waits)).toEqual([ending, ending])
    expect(await waiters.wait('ending', 1_000)).toBe(ending)
  })

  test('the first ending stays', () => {
    const waiters = new Waiters()
    waiters.end(ending)
    expect(waiters.end({ error: interrupted() })).toBe(false)
    expect(waiters.ending).toBe(ending)
  })

  test('one whose time is over leaves the others waiting', async () => {
    const waiters = new Waiters()
    const short = waiters.wait('ending', 10)
    const long = waiters.wait('ending', 20)
    vi.advanceTimersByTime(10)
    expect(await short).toBe('over')
    waiters.end(ending)
    expect(await long).toBe(ending)
  })

  test('one whose client is gone leaves the others waiting', async () => {
    const waiters = new Waiters()
    let leave = (): void => expect.unreachable()
    const client = { isGone: false, onGone: (listener: () => void) => void (leave = listener) }
    const gone = waiters.wait('ending', 10, client)
    const stays = waiters.wait('ending', 10)
    leave()
    expect(await gone).toBe('gone')
    waiters.end(ending)
    expect(await stays).toBe(ending)
    expect(await waiters.wait('ending', 10, left)).toBe(ending)
  })

  test('a client that leaves with its answer changes nothing', async () => {
    const waiters = new Waiters()
    let leave = (): void => expect.unreachable()
    const client = { isGone: false, onGone: (listener: () => void) => void (leave = listener) }
    const wait = waiters.wait('ending', 10, client)
    waiters.end(ending)
    leave()
    expect(await wait).toBe(ending)
  })

  test('a client that has left before the wait is gone', async () => {
    expect(await new Waiters().wait('ending', 10, left)).toBe('gone')
  })

  test('a job that is accepted ends the wait for that alone', async () => {
    const waiters = new Waiters()
    const forAcceptance = waiters.wait('accepted', 1_000)
    const forOutcome = waiters.wait('ending', 1_000)
    waiters.accept()
    expect(await forAcceptance).toBe('accepted')
    expect(await waiters.wait('accepted', 1_000)).toBe('accepted')
    waiters.end(ending)
    expect(await forOutcome).toBe(ending)
  })

  test('only the last request to leave leaves it empty', () => {
    const waiters = new Waiters()
    waiters.join()
    waiters.join()
    expect(waiters.leave()).toBe(false)
    expect(waiters.isEmpty).toBe(false)
    expect(waiters.leave()).toBe(true)
    expect(waiters.isEmpty).toBe(true)
  })
})

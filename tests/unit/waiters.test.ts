import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { Waiters } from '../../src/gateway/waiters.ts'

const left = { isGone: true, onGone: () => expect.unreachable() }
const ending = { outcome: { kind: 'succeeded', content: 'x' }, isReplay: false } as const

describe('Waiters', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('everybody gets the one ending, also who asks after it', async () => {
    const waiters = new Waiters()
    const waits = [waiters.wait(1_000, undefined), waiters.wait(2_000, undefined)]
    expect(waiters.end(ending)).toBe(true)
    expect(await Promise.all(waits)).toEqual([ending, ending])
    expect(await waiters.wait(1_000, undefined)).toBe(ending)
  })

  test('the first ending stands', () => {
    const waiters = new Waiters()
    waiters.end(ending)
    expect(waiters.end({ error: new GatewayError('interrupted', 'too late') })).toBe(false)
    expect(waiters.ending).toBe(ending)
  })

  test('one whose time is over leaves the others waiting', async () => {
    const waiters = new Waiters()
    const short = waiters.wait(10, undefined)
    const long = waiters.wait(20, undefined)
    vi.advanceTimersByTime(10)
    expect(await short).toBe('over')
    waiters.end(ending)
    expect(await long).toBe(ending)
  })

  test('one whose client is gone leaves the others waiting', async () => {
    const waiters = new Waiters()
    let leave = (): void => expect.unreachable()
    const client = { isGone: false, onGone: (listener: () => void) => void (leave = listener) }
    const gone = waiters.wait(10, client)
    const stays = waiters.wait(10, undefined)
    leave()
    expect(await gone).toBe('gone')
    waiters.end(ending)
    expect(await stays).toBe(ending)
    expect(await waiters.wait(10, left)).toBe(ending)
  })

  test('a client that leaves with its answer changes nothing', async () => {
    const waiters = new Waiters()
    let leave = (): void => expect.unreachable()
    const client = { isGone: false, onGone: (listener: () => void) => void (leave = listener) }
    const wait = waiters.wait(10, client)
    waiters.end(ending)
    leave()
    expect(await wait).toBe(ending)
  })

  test('a client that has left before the wait is gone', async () => {
    expect(await new Waiters().wait(10, left)).toBe('gone')
  })

  test('only the last one to leave closes', () => {
    const waiters = new Waiters()
    const closed = vi.fn<() => void>()
    waiters.join()
    waiters.join()
    waiters.onClose(closed)
    waiters.later(1_000, () => expect.unreachable())
    expect(waiters.leave()).toBe(false)
    expect(closed).not.toHaveBeenCalled()
    expect(waiters.leave()).toBe(true)
    expect(closed).toHaveBeenCalledOnce()
    expect(waiters.isOver).toBe(true)
  })

  test('what is asked of a closed one is done at once or not at all', () => {
    const waiters = new Waiters()
    waiters.join()
    waiters.leave()
    const closed = vi.fn<() => void>()
    waiters.onClose(closed)
    waiters.later(0, () => expect.unreachable())
    expect(closed).toHaveBeenCalledOnce()
  })

  test('an ending takes the timers with it', () => {
    const waiters = new Waiters()
    waiters.later(10, () => expect.unreachable())
    waiters.end(ending)
    expect(vi.getTimerCount()).toBe(0)
  })
})

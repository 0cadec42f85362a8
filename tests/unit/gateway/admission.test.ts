import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Admission } from '../../../src/gateway/admission.ts'
import { GatewayError } from '../../../src/errors.ts'
import { Link } from '../../../src/link.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { coreScene, settled } from '../../support/core.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function readyLink(): Link {
  const link = new Link()
  link.up()
  return link
}

/** The desk, with links that the test cuts. */
function desk(maxPending = 3) {
  const results = [readyLink(), readyLink()] as const
  const brokerLink = readyLink()
  const metrics = createMetrics()
  const broker = { ...coreScene().broker, link: brokerLink, isBlocked: false }
  const admission = new Admission({ resultLinks: results, broker, maxPending, metrics })
  /** Why a request is refused; `admitted` where it is not. */
  const codeOf = (entering: Promise<void>): Promise<string> =>
    entering.then(
      () => 'admitted',
      (error: unknown) => (error instanceof GatewayError ? error.code : String(error)),
    )
  const enter = (...args: Parameters<Admission['enter']>) => codeOf(admission.enter(...args))
  const follower = () => ({ put: vi.fn<(note: { readonly kind: 'stop' }) => void>() })
  return { admission, enter, follower, results, brokerLink, broker, metrics }
}

describe('the limit', () => {
  test('is the number of requests that are held, by whichever route they came', async () => {
    const { admission, enter, follower } = desk(3)
    const follows = follower()
    expect(await enter('broker')).toBe('admitted')
    expect(await enter('results', follows)).toBe('admitted')
    expect(await enter('broker', follower())).toBe('admitted')
    expect(await enter('broker')).toBe('overloaded')
    expect(await enter('results', follower())).toBe('overloaded')
    expect(admission.pending).toBe(3)
    admission.leave(follows)
    expect(await enter('results')).toBe('admitted')
    expect(admission.pending).toBe(3)
  })

  test('counts a request that waits for a link', async () => {
    const { enter, results, admission } = desk(1)
    results[0].down('cut')
    const waiting = enter('broker')
    expect(await enter('results')).toBe('overloaded')
    results[0].up()
    expect(await waiting).toBe('admitted')
    expect(admission.pending).toBe(1)
  })

  test('does not count a request that was refused, and its refusal is counted by its code', async () => {
    const { admission, enter, metrics } = desk(0)
    expect(await enter('broker')).toBe('overloaded')
    expect(admission.pending).toBe(0)
    const { values } = await metrics.rejected.get()
    expect(values).toMatchObject([{ value: 1, labels: { reason: 'overloaded' } }])
  })
})

describe('a link', () => {
  test('that was just lost is waited for', async () => {
    const { enter, results, brokerLink } = desk()
    results[1].down('cut')
    brokerLink.down('cut')
    const waiting = enter('broker')
    vi.advanceTimersByTime(900)
    results[1].up()
    await settled()
    brokerLink.up()
    expect(await waiting).toBe('admitted')
  })

  test.each([
    ['results', 'results_down'],
    ['broker', 'broker_down'],
  ] as const)('of the %s is waited for no longer than a second', async (which, code) => {
    const { enter, results, brokerLink, admission } = desk()
    ;(which === 'results' ? results[0] : brokerLink).down('cut')
    const waiting = enter('broker')
    vi.advanceTimersByTime(999)
    await settled()
    expect(admission.pending).toBe(1)
    vi.advanceTimersByTime(2)
    expect(await waiting).toBe(code)
    expect(admission.pending).toBe(0)
    // It was lost more than a second ago: this one is refused without a wait.
    expect(await enter('broker')).toBe(code)
  })

  test('that never was there is not waited for', async () => {
    const { enter, broker, results } = desk()
    const never = new Link()
    const admission = new Admission({
      resultLinks: [...results, never],
      broker,
      maxPending: 3,
      metrics: createMetrics(),
    })
    await expect(admission.enter('results')).rejects.toMatchObject({ code: 'results_down' })
    expect(await enter('results')).toBe('admitted')
  })

  test('of the broker is nothing to a request that only looks at a job', async () => {
    const { enter, brokerLink, follower } = desk()
    brokerLink.down('cut')
    expect(await enter('results', follower())).toBe('admitted')
  })

  test('of a broker with an alarm has a code of its own', async () => {
    const { enter, broker, brokerLink } = desk()
    brokerLink.down('blocked')
    broker.isBlocked = true
    const waiting = enter('broker')
    vi.advanceTimersByTime(1_001)
    expect(await waiting).toBe('broker_blocked')
  })
})

describe('a stop', () => {
  test('admits no request any more, and is over at once where none is held', async () => {
    const { admission, enter, follower } = desk()
    const onStop = vi.fn<() => void>()
    await admission.drain(1_000, onStop)
    expect(await enter('broker')).toBe('draining')
    expect(await enter('results', follower())).toBe('draining')
    expect(onStop).not.toHaveBeenCalled()
    expect(admission.pending).toBe(0)
  })

  test('is over when the last request has left, before its grace', async () => {
    const { admission, enter, follower } = desk()
    const follows = follower()
    await enter('broker')
    await enter('results', follows)
    const onStop = vi.fn<() => void>()
    let isOver = false
    const drained = admission.drain(1_000, onStop).then(() => (isOver = true))
    admission.leave()
    await settled()
    expect(isOver).toBe(false)
    admission.leave(follows)
    await drained
    expect(onStop).not.toHaveBeenCalled()
    expect(follows.put).not.toHaveBeenCalled()
  })

  test('sends away those that are held when the grace is over: each follower once, and none that has left', async () => {
    const { admission, enter, follower } = desk()
    const [stays, left] = [follower(), follower()]
    for (const one of [stays, left]) await enter('results', one)
    await enter('broker')
    admission.leave(left)
    const onStop = vi.fn<() => void>()
    const drained = admission.drain(1_000, onStop)
    vi.advanceTimersByTime(999)
    expect(onStop).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onStop).toHaveBeenCalledOnce()
    expect(stays.put.mock.calls).toEqual([[{ kind: 'stop' }]])
    expect(left.put).not.toHaveBeenCalled()
    // It waits for them all the same: their answers are on the way.
    admission.leave(stays)
    admission.leave()
    await drained
  })

  test('refuses a request that waits for a link, and does not wait for it', async () => {
    const { admission, enter, results } = desk()
    results[0].down('cut')
    const waiting = enter('broker')
    const drained = admission.drain(5_000, () => {})
    results[0].up()
    expect(await waiting).toBe('draining')
    await drained
  })

  test('in an outage says that it stops, and not that a link is lost', async () => {
    const { admission, enter, results } = desk(0)
    results[0].down('cut')
    await admission.drain(1_000, () => {})
    expect(await enter('broker')).toBe('draining')
  })
})

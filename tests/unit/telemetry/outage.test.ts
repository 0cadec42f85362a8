import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Outage } from '../../../src/telemetry/outage.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'Date'], now: 0 }))
afterEach(() => void vi.useRealTimers())

const since = '1970-01-01T00:00:00.000Z'

test('a fault is logged when it begins, and then once a minute with the time since when', () => {
  const [outage, say] = [new Outage(), vi.fn<(fields: object) => void>()]
  for (let second = 0; second <= 120; second += 1) {
    outage.tell('refused', say)
    vi.advanceTimersByTime(1_000)
  }
  expect(say.mock.calls).toEqual([[{}], [{ since }], [{ since }]])
})

test('another reason is logged at once, of the same outage', () => {
  const [outage, say] = [new Outage(), vi.fn<(fields: object) => void>()]
  outage.tell('refused', say)
  outage.tell('reset', say)
  expect(say.mock.calls).toEqual([[{}], [{ since }]])
})

test('what is repeated is the last reason, and nothing after the end', () => {
  const [outage, say] = [new Outage(), vi.fn<(fields: object, reason: string) => void>()]
  outage.repeat(say)
  outage.tell('refused', () => {})
  outage.repeat(say)
  vi.advanceTimersByTime(60_000)
  outage.repeat(say)
  expect(say.mock.calls).toEqual([[{ since }, 'refused']])
  expect(outage.over()).toBe(true)
  vi.advanceTimersByTime(60_000)
  outage.repeat(say)
  expect(say).toHaveBeenCalledOnce()
  expect(outage.over()).toBe(false)
})

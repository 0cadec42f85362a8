import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { DONE, OPEN, coreScene, readOf, settled } from '../../support/core.ts'
import type { ContentUse } from '../../../src/gateway/job-content.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }),
)
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function scene() {
  const content = { begin: vi.fn<ContentUse['begin']>(), end: vi.fn<ContentUse['end']>() }
  const core = coreScene()
  return { ...core, content, begin: () => core.begin({}, 0, content) }
}

test('the content of a job is needed until the broker has confirmed it', async () => {
  const { begin, content, publishes, reads, hint } = scene()
  begin()
  await settled()
  expect(content.end).not.toHaveBeenCalled()
  publishes[0]?.confirm('confirmed')
  await settled()
  expect(content.end.mock.calls).toEqual([[true]])
  reads.push(DONE)
  hint()
  await settled()
  expect(content.end).toHaveBeenCalledOnce()
})

test('of a job that another process publishes, until that has a confirm', async () => {
  const { begin, claims, content, reads, hint } = scene()
  claims.push({ verdict: 'joined', text: '' }, { verdict: 'joined', isPublished: true, text: '' })
  begin()
  await settled()
  expect(content.end).not.toHaveBeenCalled()
  vi.advanceTimersByTime(5_051)
  await settled()
  expect(content.end.mock.calls).toEqual([[true]])
  reads.push(DONE)
  hint()
  await settled()
})

test('also where its requests have their answer, as long as the broker has none', async () => {
  const { begin, content, publishes } = scene()
  const pending = begin()
  await settled()
  pending.interrupt()
  pending.leave()
  await settled()
  expect(content.end).not.toHaveBeenCalled()
  publishes[0]?.confirm('lost')
  await settled()
  expect(content.end.mock.calls).toEqual([[false]])
})

test('and not after the broker has refused it', async () => {
  const { begin, content, publishes } = scene()
  begin()
  await settled()
  publishes[0]?.refuse(new GatewayError('queue_full', 'full'))
  await settled()
  expect(content.end.mock.calls).toEqual([[false]])
})

test('a job without its content is not claimed again where another run has the id', async () => {
  const { begin, publishes, reads, hint, records } = scene()
  const pending = begin()
  await settled()
  publishes[0]?.confirm('confirmed')
  await settled()
  reads.push(readOf(null, { run: 'r2' }), OPEN)
  hint()
  await settled()
  expect(records.claim).toHaveBeenCalledOnce()
  expect(pending.waiters.ending).toMatchObject({ error: { code: 'interrupted' } })
})

test('a job whose result cannot be replayed has its content for the next run', async () => {
  const { begin, claims, reads, content, broker, publishes } = scene()
  claims.push({ verdict: 'replay', isPublished: true, isAnswered: true, text: '' }, {})
  reads.push(OPEN)
  const pending = begin()
  await settled()
  expect(content.end).not.toHaveBeenCalled()
  expect(broker.publish).toHaveBeenCalledOnce()
  publishes[0]?.confirm('confirmed')
  await settled()
  expect(content.end).toHaveBeenCalledOnce()
  pending.interrupt()
  pending.leave()
  await settled()
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { DONE, OPEN, coreScene, readOf, settled } from '../../support/core.ts'
import { pickOf, randomOf } from '../../support/random.ts'
import type { Claim } from '../../../src/redis/record/claim.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }),
)
afterEach(() => void vi.useRealTimers())

const CLAIMS: readonly Partial<Claim>[] = [
  {},
  { remainingMs: 2_000 },
  { verdict: 'joined', text: '' },
  { verdict: 'joined', text: '', isPublished: true },
  { verdict: 'joined', text: '', isAnswered: true, isSure: false },
  { verdict: 'takeover', text: '' },
  { verdict: 'replay', text: '', isPublished: true, isAnswered: true },
  { run: 'r2', verdict: 'joined', text: '', isPublished: true },
  { run: 'r2' },
]
const READS = [
  OPEN,
  DONE,
  readOf('{"content":"theirs","run":"r0"}'),
  readOf('{"content":"theirs"}', { run: 'r2' }),
  readOf('not JSON'),
  readOf(null, { isCancelled: true }),
  new GatewayError('results_down', 'away'),
]

/** One job, with events in an order that depends on the seed alone; what happened, in words. */
async function story(seed: number): Promise<string[]> {
  const random = randomOf(seed)
  const pick = pickOf(random)
  const scene = coreScene()
  const { claims, reads, publishes, records, watch, hint, begin, onEnd } = scene
  const told: string[] = []
  for (let count = 0; count < 40; count += 1) claims.push(pick(CLAIMS))
  records.end.mockImplementation(async () => pick(['cancelled', 'asked', 'ended', 'moved']))
  records.release.mockImplementation(async () => random() < 0.7)
  const pending = begin({}, pick([0, 3_000]))
  let waiting = 1
  let isFree = false
  onEnd.mockImplementation(() => (isFree = true))
  const waits: Promise<unknown>[] = [pending.waiters.wait('ending', 40_000)]
  const events: Record<string, () => void> = {
    hint: () => hint(pick(['notification', 'reconcile'])),
    confirm: () => publishes.shift()?.confirm(pick(['confirmed', 'lost'])),
    refuse: () => publishes.shift()?.refuse(new GatewayError('queue_full', 'full')),
    promise: () => pending.promise(),
    timeOut: () => void pending.timeOut(1_000),
    look: () => void waits.push(pending.lookWithin(800)),
    interrupt: () => pending.interrupt(),
    leave: () => {
      if (waiting === 0) return
      waiting -= 1
      isFree = pending.leave() || isFree
    },
    comeBack: () => {
      if (isFree) return
      waiting += 1
      pending.join()
    },
    endGrace: () => pending.endGrace(),
    pass: () => void vi.advanceTimersByTime(pick([1, 101, 1_001, 5_001, 15_001])),
  }
  for (let count = 0; count < 12; count += 1) {
    const name = pick(Object.keys(events))
    reads.splice(0, reads.length, pick(READS))
    told.push(name)
    events[name]?.()
    if (random() < 0.7) await settled()
  }
  // Whatever happened, the end of all times brings an end.
  for (; waiting > 0; waiting -= 1) pending.leave()
  for (const { confirm } of publishes) confirm('confirmed')
  for (let count = 0; count < 6; count += 1) {
    await settled()
    vi.advanceTimersByTime(20_000)
  }
  await settled()
  const endings = await Promise.all(waits)
  const { ending } = pending.waiters
  const code = ending !== undefined && 'error' in ending ? ending.error.code : undefined
  // A move that is not drawn would be an internal error.
  expect([seed, told, code]).not.toEqual([seed, told, 'internal'])
  expect([seed, told, endings.length]).toEqual([seed, told, waits.length])
  expect([seed, told, watch.end.mock.calls.length]).toEqual([seed, told, 1])
  expect([seed, told, vi.getTimerCount()]).toEqual([seed, told, 0])
  return told
}

test('after any events in any order a job has ended: no timer, no subscription, no request is left', async () => {
  const seeds = Array.from({ length: 300 }, (_, index) => index + 1)
  const seen = new Set<string>()
  for (const seed of seeds) for (const name of await story(seed)) seen.add(name)
  expect(seen.size).toBe(11)
}, 30_000)

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { settled } from '../../support/core.ts'
import { followerScene, stored } from '../../support/follower.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Waits for the end of a job; `view` is there when it is over. */
function outcomeOf(scene: ReturnType<typeof followerScene>, waitMs: number) {
  const seen: { status?: string; error?: unknown } = {}
  const over = scene.follower.outcome(performance.now() + waitMs).then(
    ({ status }) => (seen.status = status),
    (error: unknown) => (seen.error = error),
  )
  return { seen, over }
}

describe('a request that waits for the end of a job', () => {
  test('looks when the key is subscribed to, and not before', async () => {
    const scene = followerScene()
    scene.now.stored = stored('x')
    const { seen, over } = outcomeOf(scene, 9_000)
    await settled()
    expect(scene.reads).toEqual([])
    scene.arm()
    await over
    expect(seen.status).toBe('succeeded')
    expect(scene.reads).toEqual(['job'])
  })

  test('looks again at each event, and answers when the job has ended', async () => {
    const scene = followerScene()
    scene.arm()
    const { seen, over } = outcomeOf(scene, 9_000)
    await settled()
    scene.hintResult()
    await settled()
    expect([seen.status, scene.reads.length]).toEqual([undefined, 2])
    scene.now.stored = stored('x')
    scene.hintResult()
    await over
    expect(seen.status).toBe('succeeded')
    // It reads no deltas, and does not subscribe to them.
    expect(Array.from(scene.hints.keys())).toEqual([scene.keys[0]])
  })

  test('looks again where an event comes during a look', async () => {
    const scene = followerScene()
    const { seen, over } = outcomeOf(scene, 9_000)
    scene.arm()
    scene.hintResult()
    await settled()
    expect([seen.status, scene.reads.length]).toEqual([undefined, 2])
    scene.follower.inbox.put({ kind: 'stop' })
    await over
  })

  test('answers with the job as it is when its time is over, after one last look', async () => {
    const scene = followerScene()
    scene.arm()
    const { seen, over } = outcomeOf(scene, 9_000)
    await settled()
    vi.advanceTimersByTime(8_999)
    await settled()
    expect(scene.reads).toHaveLength(1)
    scene.now.stored = stored('x')
    vi.advanceTimersByTime(1)
    await over
    expect([seen.status, scene.reads.length]).toEqual(['succeeded', 2])
  })

  test('looks when the job’s life ends, though no event tells of that', async () => {
    const scene = followerScene()
    scene.arm()
    const { seen, over } = outcomeOf(scene, 90_000)
    await settled()
    scene.now.stored = stored(null, { remainingMs: 0 })
    vi.advanceTimersByTime(60_001)
    await over
    expect(seen.status).toBe('expired')
  })

  test('looks again soon at a result that may be an earlier run’s', async () => {
    const scene = followerScene()
    scene.arm()
    const unsure = { values: ['{"content":"x"}'], isSure: false }
    scene.now.stored = stored(null, unsure)
    const { seen, over } = outcomeOf(scene, 9_000)
    await settled()
    vi.advanceTimersByTime(100)
    await settled()
    expect([seen.status, scene.reads.length]).toEqual([undefined, 2])
    scene.now.stored = stored('x')
    vi.advanceTimersByTime(100)
    await over
    expect(seen.status).toBe('succeeded')
  })

  test('answers at once with the job as it is when the gateway stops', async () => {
    const scene = followerScene()
    scene.arm()
    const { seen, over } = outcomeOf(scene, 9_000)
    await settled()
    scene.follower.inbox.put({ kind: 'stop' })
    await over
    expect([seen.status, scene.reads.length]).toEqual(['queued', 1])
  })

  test('waits no longer when its client has left', async () => {
    const scene = followerScene()
    scene.arm()
    const { seen, over } = outcomeOf(scene, 9_000)
    await settled()
    scene.leave()
    await over
    expect(seen.status).toBe('queued')
  })

  test('says so where the key cannot be subscribed to, or there is no job', async () => {
    const deaf = followerScene()
    const first = outcomeOf(deaf, 9_000)
    deaf.refuse(new GatewayError('results_down', 'away'))
    await first.over
    expect(first.seen.error).toMatchObject({ code: 'results_down' })
    const gone = followerScene()
    gone.arm()
    gone.now.stored = undefined
    const second = outcomeOf(gone, 9_000)
    await second.over
    expect(second.seen.error).toMatchObject({ code: 'not_found' })
  })
})

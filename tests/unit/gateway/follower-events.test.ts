import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { settled } from '../../support/core.ts'
import { followerScene, stored } from '../../support/follower.ts'
import { brief } from '../../support/stream.ts'
import type { Position } from '../../../src/gateway/event-log.ts'
import type { JobEvent } from '../../../src/job.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Reads the events of a job as they come. */
function eventsOf(scene: ReturnType<typeof followerScene>, from?: Position) {
  const events: JobEvent[] = []
  const seen: { error?: unknown; isOver?: true } = {}
  scene.follower.watch()
  const read = async (): Promise<void> => {
    for await (const batch of scene.follower.events(from)) events.push(...batch)
  }
  const over = read().then(
    () => (seen.isOver = true),
    (error: unknown) => (seen.error = error),
  )
  const told = (): string[] =>
    brief(events).map((name, index) => {
      const event = events[index]
      return event?.kind === 'status' ? event.status : name
    })
  return { events, seen, over, told }
}

describe('a request that reads the events of a job', () => {
  test('subscribes to the result and the deltas, and looks when both are acknowledged', async () => {
    const scene = followerScene()
    const { told, over } = eventsOf(scene)
    await settled()
    expect(Array.from(scene.hints.keys())).toEqual(scene.keys)
    expect([told(), scene.reads]).toEqual([[], []])
    scene.arm()
    await settled()
    expect(told()).toEqual(['queued'])
    scene.leave()
    await over
    scene.follower.end()
    expect(scene.ended).toEqual(scene.keys)
  })

  test('reads the deltas alone when they have grown', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over } = eventsOf(scene)
    await settled()
    scene.reads.length = 0
    scene.stream.append({ text: 'one ' })
    scene.hintDeltas()
    await settled()
    expect(told()).toEqual(['queued', 'running', '+one '])
    expect(scene.reads).toEqual(['deltas'])
    scene.leave()
    await over
  })

  test('looks at the job before it reads the deltas, so that none of a job that has ended is missed', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over, seen } = eventsOf(scene)
    await settled()
    scene.reads.length = 0
    scene.stream.append({ text: 'one ' })
    scene.hintDeltas()
    scene.stream.append({ text: 'two' })
    scene.stream.append({ isEnd: true, run: 'r1' })
    scene.now.stored = stored('one two three')
    scene.hintResult()
    await over
    expect(seen.isOver).toBe(true)
    expect(told()).toEqual(['queued', 'running', '+one ', '+two', '+ three', 'succeeded'])
    expect(scene.reads.slice(-2)).toEqual(['job', 'deltas'])
  })

  test('hears once that the job runs, and nothing of an event that changed nothing', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over } = eventsOf(scene)
    await settled()
    scene.hintResult()
    await settled()
    expect(told()).toEqual(['queued'])
    scene.now.stored = stored(null, { values: ['running'] })
    for (const _ of [1, 2]) {
      scene.hintResult()
      await settled()
    }
    expect(told()).toEqual(['queued', 'running'])
    scene.leave()
    await over
  })

  test('gets all of a job that had ended', async () => {
    const scene = followerScene()
    scene.arm()
    scene.stream.append({ text: 'one ' })
    scene.now.stored = stored('one two')
    const { told, over } = eventsOf(scene)
    await over
    expect(told()).toEqual(['succeeded', '+one ', '+two', 'succeeded'])
  })

  test('gets what follows the position that it names', async () => {
    const scene = followerScene()
    scene.arm()
    const id = scene.stream.append({ text: 'one ' })
    scene.stream.append({ text: 'two' })
    scene.now.stored = stored('one two')
    const { told, over } = eventsOf(scene, { kind: 'after', id })
    await over
    expect(told()).toEqual(['succeeded', '+two', 'succeeded'])
  })

  test('hears that the job has expired, though no event tells of that', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over } = eventsOf(scene)
    await settled()
    scene.now.stored = stored(null, { remainingMs: 0 })
    vi.advanceTimersByTime(60_001)
    await over
    expect(told()).toEqual(['queued', 'expired'])
  })

  test('looks again soon at a result that may be an earlier run’s', async () => {
    const scene = followerScene()
    scene.arm()
    scene.now.stored = stored(null, { values: ['{"content":"x"}'], isSure: false })
    const { told, over } = eventsOf(scene)
    await settled()
    scene.now.stored = stored('x')
    vi.advanceTimersByTime(100)
    await over
    expect(told()).toEqual(['queued', '+x', 'succeeded'])
  })

  test('begins again where the id has a new run', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over } = eventsOf(scene)
    scene.stream.append({ text: 'first', run: 'r1' })
    await settled()
    scene.stream.entries = []
    scene.now.stored = stored('second', {}, 'r2')
    scene.hintResult()
    await over
    expect(told()).toEqual(['queued', 'running', '+first', 'restart', '+second', 'succeeded'])
  })

  test('ends without an end of the job when its client has left, also between two batches', async () => {
    const scene = followerScene()
    scene.arm()
    for (const text of ['1', '2', '3', '4']) scene.stream.append({ text })
    scene.now.stored = stored('12345')
    scene.follower.watch()
    const told: string[] = []
    for await (const batch of scene.follower.events(undefined)) {
      told.push(...brief(batch))
      if (told.includes('+3')) scene.leave()
    }
    expect(told).toEqual(['status', '+1', '+2', '+3'])
  })

  test('is interrupted when the gateway stops', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over, seen } = eventsOf(scene)
    await settled()
    scene.follower.inbox.put({ kind: 'stop' })
    await over
    expect(seen.error).toMatchObject({ code: 'interrupted' })
    expect(told()).toEqual(['queued'])
  })

  test('has the end of a job that ended before the stop', async () => {
    const scene = followerScene()
    scene.arm()
    const { told, over, seen } = eventsOf(scene)
    await settled()
    scene.now.stored = stored('x')
    scene.hintResult()
    scene.follower.inbox.put({ kind: 'stop' })
    await over
    expect(seen.isOver).toBe(true)
    expect(told()).toEqual(['queued', '+x', 'succeeded'])
  })
})

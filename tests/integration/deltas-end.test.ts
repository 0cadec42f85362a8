import { describe, expect, inject, test } from 'vitest'
import { deltaWriter, endsOf } from '../support/deltas.ts'
import { eventually } from '../support/eventually.ts'
import { recordScene, success } from '../support/job-records.ts'
import { testRedis } from '../support/scene.ts'

type Scene = Awaited<ReturnType<typeof recordScene>>
/** One way in which a job of run `r1` comes to its end. */
type End = (scene: Scene) => Promise<unknown>

const write: End = ({ redis, key }) => redis.set(key, 'x')

const ANSWER: End = ({ records, keys }) =>
  records.answer({ keys, run: 'r1' }, 'succeeded', ['x'], false)
const CANCEL: End = ({ records, keys }) => records.end(keys, 'r1', ['cancelled'])
const LEAVE: End = ({ leave }) => leave('r1', 'r1')
/** As a request reads it that waits for the answer of an unchanged worker, and marks it. */
const READ: End = async (scene) => {
  const { records, keys } = scene
  await write(scene)
  const claim = { run: 'r1', text: '', sentAt: 0, life: 0 }
  await records.settle(keys, claim, await records.read(keys, claim), success())
}
const VIEW: End = async (scene) => {
  const { records, keys } = scene
  await write(scene)
  await records.markPublished(keys, 'r1')
  await records.view(keys)
}
const FINISH: End = ({ records, keys }) => records.finish(keys, 'r1', 'failed')
const SWEEP: End = async (scene) => {
  const { records, keys, stored } = scene
  await write(scene)
  await records.markPublished(keys, 'r1')
  await stored().expire()
  await records.expireUnread(keys, { orphanTtlMs: 1_000, graceMs: 5_000 })
}

const ENDS = { ANSWER, CANCEL, LEAVE, READ, VIEW, FINISH, SWEEP }
const OUTCOMES: Readonly<Record<keyof typeof ENDS, string>> = {
  ANSWER: 'succeeded',
  CANCEL: 'cancelled',
  LEAVE: 'cancelled',
  READ: 'succeeded',
  VIEW: 'read',
  FINISH: 'failed',
  SWEEP: 'read',
}
const names = Object.keys(ENDS) as (keyof typeof ENDS)[]

/** A job that its worker has begun to stream; whatever was there of its id is gone. */
async function beginStream({ redis, keys, claim }: Scene): Promise<void> {
  await redis.del([keys.record, keys.cancel, keys.deltas, ...keys.results])
  await claim('f', 'r1')
  await redis.xAdd(keys.deltas, '*', { text: 'x', run: 'r1' })
}

async function streaming(isPlain: boolean): Promise<Scene> {
  const scene = await recordScene({ isPlain })
  await beginStream(scene)
  return scene
}

describe.each([
  ['on the usual path', true],
  ['by scripts alone', false],
])('the end of a job, %s,', (_, isPlain) => {
  test('is the last entry of its deltas, and names how and which run', async () => {
    const scene = await recordScene({ isPlain })
    const { redis, keys } = scene
    for (const name of names) {
      await beginStream(scene)
      expect([name, await endsOf(redis, keys.deltas)]).toEqual([name, []])
      await ENDS[name](scene)
      const [last] = (await redis.xRevRange(keys.deltas, '+', '-', { COUNT: 1 })) ?? []
      const outcome = name === 'READ' && !isPlain ? 'read' : OUTCOMES[name]
      const fields = { end: outcome, run: 'r1' }
      expect([name, await endsOf(redis, keys.deltas)]).toEqual([name, [{ id: last?.id, fields }]])
    }
  })

  test('is not written a second time, in whichever two ways it comes', async () => {
    const scene = await recordScene({ isPlain })
    const { redis, keys } = scene
    for (const [first, second] of names.flatMap((one) => names.map((two) => [one, two] as const))) {
      await beginStream(scene)
      await ENDS[first](scene)
      const ends = await endsOf(redis, keys.deltas)
      // A worker that has not heard of the end yet, or a second one of the same run.
      await redis.xAdd(keys.deltas, '*', { text: 'late', run: 'r1' })
      await ENDS[second](scene)
      expect([first, second, ends.length]).toEqual([first, second, 1])
      expect([first, second, await endsOf(redis, keys.deltas)]).toEqual([first, second, ends])
    }
  })

  test('makes no stream for a job without deltas', async () => {
    const scene = await recordScene({ isPlain })
    const { redis, keys, claim } = scene
    for (const name of names) {
      await redis.del([keys.record, keys.cancel, ...keys.results])
      await claim('f', 'r1')
      await ENDS[name](scene)
      expect([name, await redis.exists(keys.deltas)]).toEqual([name, 0])
    }
  })
})

test.each(['ANSWER', 'CANCEL', 'LEAVE'] as const)(
  'by %s the end is written in the step that writes the outcome',
  async (name) => {
    const scene = await streaming(true)
    const { redis, key, keys } = scene
    const seen: string[] = []
    const monitor = await testRedis()
    await monitor.monitor((line) => void (line.toString().includes(key) && seen.push(line)))
    await ENDS[name](scene)
    await redis.exists(keys.cancel)
    await eventually('all is seen', () => seen.at(-1)?.includes('"EXISTS"'))
    const step = seen.slice(seen.findLastIndex((line) => /"eval(sha)?"/i.test(line)) + 1, -1)
    const commands = step.map((line) => /\[0 (\S+?)\] "(\w+)"/.exec(line)?.slice(1).join(' '))
    expect(commands).toContain('lua XADD')
    // Of the record, and of the result.
    expect(commands.filter((command) => command === 'lua SET').length).toBeGreaterThan(1)
    expect(commands.every((command) => command?.startsWith('lua'))).toBe(true)
  },
)

describe('an end', () => {
  test('is written by no worker of another run', async () => {
    const { redis, keys, records } = await streaming(true)
    await records.answer({ keys, run: 'r0' }, 'succeeded', ['x'], false)
    await records.finish(keys, 'r0', 'succeeded')
    await records.end(keys, 'r0', ['cancelled'])
    expect(await endsOf(redis, keys.deltas)).toEqual([])
  })

  test('by a cancel is final, also where Redis has lost the result that said so', async () => {
    const scene = await streaming(true)
    const { redis, key, keys, stored } = scene
    await CANCEL(scene)
    await redis.del(key)
    expect(await ANSWER(scene)).toBe('answered')
    expect(await redis.exists(key)).toBe(0)
    expect(await stored().state()).toBe('cancelled')
    expect(await endsOf(redis, keys.deltas)).toHaveLength(1)
  })

  test('is not in the stream of a new run', async () => {
    const scene = await streaming(true)
    const { redis, keys, claim } = scene
    await CANCEL(scene)
    expect((await claim('f', 'r2')).verdict).toBe('new')
    expect(await redis.exists(keys.deltas)).toBe(0)
  })
})

describe('the stub', () => {
  const url = (): string => inject('services').REDIS_URL

  test.each([
    ['was cancelled', CANCEL],
    ['was answered', ANSWER],
    ['has a new run', (async ({ claim }) => claim('g', 'r2')) as End],
  ])('begins no stream of a job that %s before its first delta', async (what, end) => {
    const scene = await recordScene()
    const { keys, redis, claim, records } = scene
    await claim('f', 'r1')
    const writer = await deltaWriter(url(), { keys, run: 'r1' })
    if (what === 'has a new run') await records.finish(keys, 'r1', 'failed')
    await end(scene)
    writer.add('too late')
    await writer.close()
    expect(await redis.exists(keys.deltas)).toBe(0)
  })

  test.each([
    ['the job is in flight', 'r1', true],
    ['its record has gone', 'r1', false],
    ['the message names no run', '', true],
  ])('streams where %s', async (_, run, isClaimed) => {
    const { keys, redis, claim, records } = await recordScene()
    if (isClaimed) {
      await claim('f', 'r1')
      await records.markPublished(keys, 'r1')
    }
    const writer = await deltaWriter(url(), { keys, run })
    writer.add('one ')
    await writer.close()
    const entries = (await redis.xRange(keys.deltas, '-', '+')) ?? []
    expect(entries.map(({ message }) => message.text)).toEqual(['one '])
    expect(await redis.pTTL(keys.deltas)).toBeGreaterThan(0)
  })
})

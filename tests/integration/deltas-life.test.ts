import { describe, expect, inject, test } from 'vitest'
import { deltaWriter } from '../support/deltas.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents } from '../support/events.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { recordScene, success } from '../support/job-records.ts'
import { deltasKey } from '../support/record.ts'
import { startGateway, testScene } from '../support/scene.ts'
import { echoAt, startWorker } from '../support/worker-stub.ts'
import type { Claim } from '../../src/redis/record/claim.ts'

type Scene = Awaited<ReturnType<typeof recordScene>>
type SetsLife = (scene: Scene, claim: Claim) => Promise<unknown>

/** Reads a result as a request does that waits for it. */
const reading =
  (kind: 'succeeded' | 'failed', workersTtlMs?: number): SetsLife =>
  async ({ records, redis, key, keys }, claim) => {
    await redis.set(key, 'x')
    if (workersTtlMs !== undefined) await redis.pExpire(key, workersTtlMs)
    await records.settle(keys, claim, await records.read(keys, claim), { ...success(), kind })
  }

/** Each way in which the result of run `r1` gets its life. */
const SETS: Readonly<Record<string, SetsLife>> = {
  'a request that waits': reading('succeeded'),
  'a request that waits for a failure': reading('failed'),
  'a request that waits for a worker which sets a life itself': reading('succeeded', 1_500),
  'a request whose record has gone': async (scene, claim) => {
    await scene.stored().remove()
    await reading('succeeded')(scene, claim)
  },
  'a look': async ({ records, redis, key, keys }) => {
    await records.markPublished(keys, 'r1')
    await redis.set(key, 'x')
    await records.view(keys)
  },
  'an answer': ({ records, keys }) =>
    records.answer({ keys, run: 'r1' }, 'succeeded', ['x'], false),
  'a cancel': ({ records, keys }) => records.end(keys, 'r1', ['cancelled']),
  'the last client that leaves': ({ leave }) => leave('r1', 'r1'),
  'a sweep': async ({ records, redis, key, keys, stored }) => {
    await records.markPublished(keys, 'r1')
    await redis.set(key, 'x')
    await stored().expire()
    await records.expireUnread(keys, { orphanTtlMs: 1_000, graceMs: 5_000 })
  },
}

test.each([
  ['on the usual path', true],
  ['by scripts alone', false],
])('the life of a result is that of its deltas, whatever sets it, %s', async (_, isPlain) => {
  const scene = await recordScene({ isPlain })
  const { redis, key, keys, claim } = scene
  for (const [name, setLife] of Object.entries(SETS)) {
    await redis.del([keys.record, keys.cancel, keys.deltas, key])
    const claimed = await claim('f', 'r1')
    // As a worker leaves them that keeps its streams for two seconds.
    await redis.xAdd(keys.deltas, '*', { text: 'x', run: 'r1' })
    await redis.pExpire(keys.deltas, 2_000)
    await setLife(scene, claimed)
    // In this order, because time passes between the two.
    const [deltas, result] = await redis.multi().pTTL(keys.deltas).pTTL(key).execTyped()
    expect([name, result > 2_000]).toEqual([name, true])
    // The usual path sets the one right behind the other.
    expect([name, deltas >= result, deltas < result + 1_000]).toEqual([name, true, true])
  }
})

describe('where the worker’s RESULT_TTL_S is a tenth of the gateway’s,', () => {
  async function scene() {
    const common = await testScene({ RESULT_TTL_S: '20' })
    const { settings, redis, key } = common
    const gateway = await startGateway(settings)
    const other = await startGateway(settings)
    /** Of the result and of the deltas. Time passes between the two, so the deltas come first. */
    const lives = async (id: string): Promise<[result: number, deltas: number]> => {
      const [deltas, result] = await redis
        .multi()
        .pTTL(deltasKey(key(id)))
        .pTTL(key(id))
        .execTyped()
      return [result, deltas]
    }
    /** The deltas of the job are those of the stream, and not one that came with the result. */
    const deltaIds = async (id: string): Promise<(string | undefined)[]> => {
      const events = await (await readEvents(`${other.url}/jobs/${id}/events`)).all()
      return events.filter(({ event }) => event === 'delta').map((event) => event.id)
    }
    const entryIds = async (id: string) =>
      ((await redis.xRange(deltasKey(key(id)), '-', '+')) ?? [])
        .filter(({ message }) => message.end === undefined)
        .map((entry) => entry.id)
    return { ...common, gateway, lives, deltaIds, entryIds }
  }

  const worker = { RESULT_TTL_S: '2' }

  test('the deltas can be read as long as the answer that the stub wrote', async () => {
    const { settings, gateway, lives, deltaIds, entryIds } = await scene()
    await startWorker({ ...settings, ...worker }, echoAt(100))
    expect((await generate(gateway.url, 'a', 'x y z')).status).toBe(200)
    const [result, deltas] = await lives('a')
    expect(deltas).toBeGreaterThanOrEqual(result)
    expect(deltas).toBeGreaterThan(10_000)
    const ids = await deltaIds('a')
    expect(ids.length).toBeGreaterThan(1)
    expect(ids).toEqual(await entryIds('a'))
  })

  test.each(['waits', 'looks'])(
    'the deltas can be read as long as a result that a request reads which %s',
    async (how) => {
      const { redis, key, stream, answer, claim, gateway, lives, deltaIds, entryIds } =
        await scene()
      const asked =
        how === 'waits'
          ? generate(gateway.url, 'b', 'x')
          : submit(gateway.url, { job_id: 'b', content: 'x' })
      await eventually('it is claimed', () => claim('b').exists())
      for (const text of ['one ', 'two']) await stream('b', { text })
      await redis.pExpire(deltasKey(key('b')), 5_000)
      if (how === 'looks') await asked
      await answer('b', { content: 'one two' })
      await (how === 'waits' ? asked : ask(`${gateway.url}/jobs/b`, 'GET'))
      await eventually('the result has a life', async () => (await lives('b'))[0] > 0)
      const [result, deltas] = await lives('b')
      expect(deltas).toBeGreaterThanOrEqual(result)
      expect(deltas).toBeGreaterThan(10_000)
      expect(await deltaIds('b')).toEqual(await entryIds('b'))
    },
  )

  test('the deltas can be read as long as the cancelled result', async () => {
    const { settings, gateway, redis, key, lives, deltaIds, entryIds } = await scene()
    await startWorker({ ...settings, ...worker }, echoAt(50))
    await submit(gateway.url, { job_id: 'c', content: 'word '.repeat(10_000) })
    await eventually('it streams', async () => (await redis.xLen(deltasKey(key('c')))) > 1)
    await ask(`${gateway.url}/jobs/c`, 'DELETE')
    const [result, deltas] = await lives('c')
    expect(deltas).toBeGreaterThanOrEqual(result)
    expect(deltas).toBeGreaterThan(10_000)
    const ids = await deltaIds('c')
    expect(ids.length).toBeGreaterThan(1)
    expect(ids).toEqual((await entryIds('c')).slice(0, ids.length))
  })
})

describe('a worker that keeps its streams for a shorter time', () => {
  test('shortens the life of no stream, neither with its first entry nor when it renews it', async () => {
    const { keys, redis, claim } = await recordScene()
    await claim('f', 'r1')
    await redis.xAdd(keys.deltas, '*', { text: 'of another worker', run: 'r1' })
    await redis.pExpire(keys.deltas, 20_000)
    const writer = await deltaWriter(inject('services').REDIS_URL, { keys, run: 'r1', ttlMs: 20 })
    for (let count = 1; count <= 5; count += 1) {
      writer.add('x')
      await eventually('it is written', async () => (await redis.xLen(keys.deltas)) === count + 1)
    }
    await writer.close()
    expect(await redis.pTTL(keys.deltas)).toBeGreaterThan(10_000)
  })
})

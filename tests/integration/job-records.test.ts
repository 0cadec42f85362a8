import { ErrorReply } from 'redis'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { Deltas } from '../../src/redis/deltas.ts'
import { KeptRequests } from '../../src/redis/record/kept-requests.ts'
import { claimPlainly } from '../../src/redis/record/plain.ts'
import { deltaWriter } from '../support/deltas.ts'
import { JOB_TTL_MS, KEEP_MS, recordScene, success } from '../support/job-records.ts'
import { cancelKey, claimKey, deltasKey } from '../support/record.ts'
import { ownRedis } from '../support/servers.ts'
import type { RedisClient } from '../../src/redis/connection.ts'

describe.each([
  ['on the usual path', true],
  ['by scripts alone, as before Redis 7.0', false],
])('a record, %s,', (_, isPlain) => {
  const scene = (url?: string) => recordScene({ isPlain, ...(url !== undefined && { url }) })

  test('is released by its holder and by no other process', async () => {
    const { claim, release, stored } = await scene()
    await claim('f', 'first')
    expect(await release('first', 'another')).toBe(false)
    expect(await release('another', 'first')).toBe(false)
    expect(await stored().run()).toBe('first')
    expect(await release('first')).toBe(true)
    expect(await stored().exists()).toBe(false)
  })

  test('that is taken over keeps its run and changes its holder', async () => {
    const { claim, release, stored } = await scene()
    await claim('f', 'first')
    const taken = await claim('f', 'second', { graceMs: -1 })
    expect(taken).toMatchObject({ verdict: 'takeover', run: 'first' })
    expect(await release('first')).toBe(false)
    expect(await stored().get()).toMatchObject({ run: 'first', holder: 'of second' })
  })

  test('of a response is not taken over once a worker has its message', async () => {
    const { records, keys, claim, stored } = await scene()
    await claim('f', 'first', { isNumbered: true })
    await records.mayRun({ keys, run: 'another' }, false, [])
    expect(await stored().state()).toBe('claimed')
    expect(await records.mayRun({ keys, run: 'first' }, false, [])).toBe('run')
    expect(await stored().state()).toBe('published')
    const again = await claim('f', 'second', { graceMs: -1 })
    expect(again).toMatchObject({ verdict: 'joined', run: 'first', isPublished: true })
  })

  test('of a response can be streamed again where its only entry was the end of another run', async () => {
    const { connection, records, redis, key, keys, claim } = await scene()
    const deltas = new Deltas(connection.client)
    await claim('f', 'first', { isNumbered: true })
    await records.markPublished(keys, 'first')
    await redis.set(key, 'of another run')
    await records.view(keys)
    await records.dropForeign(keys, 'another', 'of another run', true)
    expect(await deltas.isTrimmed(keys.deltas)).toBe(false)
    await redis.xAdd(keys.deltas, '*', { text: 'A', run: 'first' })
    expect(await deltas.isTrimmed(keys.deltas)).toBe(false)
  })

  test('that was deleted while its worker was busy takes neither deltas nor a result of it', async () => {
    const { connection, records, redis, keys, claim } = await scene()
    await claim('f', 'first', { isNumbered: true })
    await records.end(keys, 'first', ['cancelled'])
    expect(await new KeptRequests(connection.client).removeJob(keys, 'first')).toBe(true)
    const writer = await deltaWriter(inject('services').REDIS_URL, { keys, run: 'first' })
    writer.add('late')
    await writer.close()
    const written = await records.answer({ keys, run: 'first' }, 'succeeded', ['late'], false)
    expect(written).toBe('answered')
    expect(await redis.exists([keys.deltas, ...keys.results])).toBe(0)
  })

  test('is not deleted under another run, which a request with the same key has begun meanwhile', async () => {
    const { connection, records, redis, keys, claim } = await scene()
    await claim('f', 'first', { isNumbered: true })
    await records.end(keys, 'first', ['cancelled'])
    await claim('f', 'second', { isNumbered: true })
    expect(await new KeptRequests(connection.client).removeJob(keys, 'first')).toBe(false)
    expect(await redis.exists(keys.record)).toBe(1)
  })

  test('is finished and marked for its own run alone', async () => {
    const { records, keys, claim, stored } = await scene()
    await claim('f', 'first')
    await records.finish(keys, 'another', 'succeeded')
    await records.markPublished(keys, 'another')
    expect(await stored().state()).toBe('claimed')
    await records.markPublished(keys, 'first')
    expect(await stored().state()).toBe('published')
    await records.finish(keys, 'first', 'failed')
    expect(await stored().get()).toMatchObject({ state: 'done', outcome: 'failed' })
  })

  test('of a job that has ended is not marked as in flight by a late confirm', async () => {
    const { records, keys, claim, stored } = await scene()
    await claim('f', 'first')
    await records.finish(keys, 'first', 'succeeded')
    await records.markPublished(keys, 'first')
    expect(await stored().state()).toBe('done')
  })

  test('that is new deletes what an earlier run left, and never answers with it', async () => {
    const { redis, key, claim, stored } = await scene()
    const left = [key, cancelKey(key), deltasKey(key)]
    for (const name of left) await redis.set(name, 'x')
    const { verdict, run } = await claim('f', 'first')
    expect(verdict).toBe('new')
    expect(await redis.exists(left)).toBe(0)
    expect(await stored().run()).toBe(run)
  })

  test('takes no foreign result for its own, and deletes only what was read', async () => {
    const { records, redis, key, keys, claim } = await scene()
    await claim('f', 'first')
    await redis.set(key, 'replaced')
    await records.dropForeign(keys, 'another', 'seen before', true)
    expect(await redis.get(key)).toBe('replaced')
    await records.dropForeign(keys, 'first', 'replaced', true)
    expect(await redis.get(key)).toBe('replaced')
    await records.dropForeign(keys, 'another', 'replaced', true)
    expect(await redis.get(key)).toBeNull()
  })

  test('is cancelled when its last asker has left, with a result that says so', async () => {
    const { redis, key, claim, leave, stored } = await scene()
    await claim('f', 'first')
    await claim('f', 'second')
    expect(await leave('first', 'first')).toBe('asked')
    expect(await stored().state()).toBe('claimed')
    expect(await leave('first', 'second')).toBe('cancelled')
    expect(await stored().state()).toBe('cancelled')
    expect(await redis.get(key)).toBe('cancelled')
    expect(await redis.get(cancelKey(key))).toBe('first')
    for (const name of [key, cancelKey(key), claimKey(key)]) {
      expect(await redis.pTTL(name)).toBeGreaterThan(0)
    }
    expect((await claim('f', 'third')).verdict).toBe('new')
  })

  test('is not cancelled by leaving it when it has ended, has a result, or is another run’s', async () => {
    const { records, redis, key, keys, claim, leave, stored } = await scene()
    await claim('f', 'first')
    expect(await leave('another', 'first')).toBe('moved')
    await redis.set(key, 'a result that no request has read yet')
    expect(await leave('first', 'first')).toBe('ended')
    await records.finish(keys, 'first', 'succeeded')
    expect(await leave('first', 'first')).toBe('ended')
    expect(await stored().get()).toMatchObject({ state: 'done', outcome: 'succeeded' })
    expect(await redis.get(key)).toBe('a result that no request has read yet')
  })

  test('is read, and its result lives no longer than it should, where memory has run out', async () => {
    const server = await ownRedis()
    const { records, redis, key, keys, claim } = await scene(server.url)
    const first = await claim('f', 'first')
    await redis.set(key, 'x')
    await redis.configSet('maxmemory', '1')
    const read = await records.read(keys, first)
    expect(read).toMatchObject({ values: ['x'], run: 'first', isCancelled: false })
    await records.settle(keys, first, read, success())
    expect(await redis.pTTL(key)).toBeGreaterThan(0)
    await redis.persist(key)
    await records.finish(keys, 'first', 'failed')
    expect(await redis.pTTL(key)).toBeGreaterThan(0)
  })

  test('whose result Redis has lost is a new run that says so', async () => {
    const { records, redis, key, keys, claim } = await scene()
    await claim('f', 'first')
    await redis.set(key, 'x')
    await records.finish(keys, 'first', 'succeeded')
    expect(await claim('f', 'second')).toMatchObject({ verdict: 'replay', isLost: false })
    await redis.del(key)
    expect(await claim('f', 'second')).toMatchObject({ verdict: 'new', isLost: true })
  })

  test('has its age and deadline from its own life, not from the settings of the replica that looks', async () => {
    const { claim, stored } = await scene()
    await claim('f', 'first')
    const life = await stored().lifeMs()
    const other = { jobTtlMs: 1_000, keepMs: 500_000 }
    const joined = await claim('f', 'second', other)
    expect(joined.verdict).toBe('joined')
    expect(joined.remainingMs).toBeGreaterThan(JOB_TTL_MS - 5_000)
    expect(joined.remainingMs).toBeLessThanOrEqual(JOB_TTL_MS)
    expect(joined.ageMs).toBeLessThan(5_000)
    // Joining it is a rewrite, and takes nothing from its life and adds nothing to it.
    expect(await stored().lifeMs()).toBeLessThanOrEqual(life)
    expect(await stored().lifeMs()).toBeGreaterThan(KEEP_MS)
    await stored().expire()
    expect((await claim('g', 'third', other)).verdict).toBe('new')
  })

  test('never outlives its result, unless it says that the job is done', async () => {
    const { records, redis, key, keys, claim } = await scene()
    const ends = {
      settled: async () => {
        const claimed = await claim('f', 'settled')
        await redis.set(key, 'x')
        await records.settle(keys, claimed, await records.read(keys, claimed), success())
      },
      'with a life that the worker gave': async () => {
        const claimed = await claim('f', 'with a life that the worker gave')
        await redis.set(key, 'x', { expiration: { type: 'PX', value: 1_000 } })
        await records.settle(keys, claimed, await records.read(keys, claimed), success())
      },
      answered: async () => {
        await claim('f', 'answered')
        await records.answer({ keys, run: 'answered' }, 'succeeded', ['x'], false)
      },
      viewed: async () => {
        await claim('f', 'viewed')
        await records.markPublished(keys, 'viewed')
        await redis.set(key, 'x')
        await records.view(keys)
      },
      cancelled: async () => {
        await claim('f', 'cancelled')
        await records.end(keys, 'cancelled', ['cancelled'])
      },
    }
    for (const [name, end] of Object.entries(ends)) {
      await end()
      // Both of one moment.
      const lives = await redis.multi().pTTL(claimKey(key)).pTTL(key).execTyped()
      expect([name, lives[0] <= lives[1]]).toEqual([name, true])
      await redis.del([key, claimKey(key), cancelKey(key)])
    }
  })
})

describe('the usual path', () => {
  test('takes a claim that it finds again after its reply was lost for its own', async () => {
    const { connection, keys } = await recordScene()
    const lives = { jobTtlMs: 5_000, keepMs: 5_000, graceMs: 5_000 }
    const request = { keys, run: 'ours', fingerprint: 'f', owner: '', asker: 'a', ...lives }
    const ask = (run: string) =>
      claimPlainly(connection.client, { ...request, run, isDerived: false, prepared: [] })
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    expect(await ask('ours')).toMatchObject({ verdict: 'new', run: 'ours' })
    expect(await ask('ours')).toMatchObject({ verdict: 'new', run: 'ours' })
    expect(await ask('another')).toBe('held')
  })

  test('is given up for scripts where Redis does not know its commands', async () => {
    const { connection, recordsOf, claim, stored } = await recordScene()
    let tries = 0
    const old = new Proxy(connection.client, {
      get(target, name) {
        if (name === 'set') {
          return async () => {
            tries += 1
            throw new ErrorReply('ERR syntax error')
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    }) satisfies RedisClient
    const records = recordsOf(old)
    expect((await claim('f', 'first', {}, records)).verdict).toBe('new')
    expect(await stored().run()).toBe('first')
    expect((await claim('f', 'second', {}, records)).verdict).toBe('joined')
    expect(tries).toBe(1)
  })

  test('tells when a job had ended that was read without a mark', async () => {
    const { records, redis, key, keys, claim } = await recordScene()
    const claimed = await claim('f', 'first')
    await redis.set(key, 'x')
    const before = Date.now()
    await records.settle(keys, claimed, await records.read(keys, claimed), success())
    const { finishedAt } = await claim('f', 'second')
    expect(finishedAt).toBeNull()
    const viewed = await records.view(keys)
    expect(viewed?.record.finished).toBeGreaterThanOrEqual(claimed.createdAt)
    expect(viewed?.record.finished).toBeLessThanOrEqual(before + 1_000)
  })
})

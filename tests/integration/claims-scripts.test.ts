import { randomUUID } from 'node:crypto'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { Claims } from '../../src/redis/claims.ts'
import { RedisConnection } from '../../src/redis/connection.ts'
import { Results } from '../../src/redis/results.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'
import { cancelKey, claimKey, claimRecord, deltasKey } from '../support/record.ts'
import { testRedis } from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'

async function scene(url = inject('services').REDIS_URL) {
  const connection = new RedisConnection(url, 'data', createLog('silent'))
  onTestFinished(() => connection.close())
  connection.open()
  await eventually('connected', () => connection.link.ready)
  const redis = await testRedis(url)
  const key = `scripts-${randomUUID()}`
  const claims = new Claims(connection.client, key, { ends: 'any' })
  const keys = [key] as const
  const enter = (fingerprint: string, token: string, graceMs = 5_000) => {
    const lives = {
      indexTtlMs: 60_000,
      jobTtlMs: 10_000,
      keepMs: 10_000,
      graceMs,
      entry: `1 ${token} id`,
    }
    return claims.enter({
      keys,
      fingerprint,
      owner: '',
      token,
      asker: `of ${token}`,
      prepared: [],
      ...lives,
    })
  }
  const leave = (run: string, asker: string) =>
    claims.leave(keys, { run, asker: `of ${asker}`, values: ['cancelled'], ttlMs: 5_000 })
  const release = (token: string) => claims.release({ keys, prepared: [], token, entry: '' })
  const stored = () => claimRecord(redis, key).get()
  return { connection, claims, redis, key, keys, enter, leave, release, stored }
}

describe('a claim', () => {
  test('is released by its holder and by nobody else', async () => {
    const { enter, release, stored } = await scene()
    await enter('f', 'first')
    expect(await release('somebody')).toBe(false)
    expect((await stored())?.run).toBe('first')
    expect(await release('first')).toBe(true)
    expect(await stored()).toBeUndefined()
  })

  test('taken over keeps its run and changes its holder', async () => {
    const { enter, release, stored } = await scene()
    await enter('f', 'first')
    const taken = await enter('f', 'second', -1)
    expect(taken).toMatchObject({ verdict: 'takeover', run: 'first' })
    expect(await release('first')).toBe(false)
    expect(await stored()).toMatchObject({ run: 'first', holder: 'second' })
  })

  test('is finished and marked for its own run alone', async () => {
    const { claims, keys, enter, stored } = await scene()
    await enter('f', 'first')
    await claims.finish(keys, 'another', 'succeeded', 5_000)
    await claims.markPublished(keys, 'another')
    expect((await stored())?.state).toBe('claimed')
    await claims.markPublished(keys, 'first')
    expect((await stored())?.state).toBe('published')
    await claims.finish(keys, 'first', 'failed', 5_000)
    expect(await stored()).toMatchObject({ state: 'done', outcome: 'failed' })
  })

  test('of a job that has ended is not marked as under way by a late confirm', async () => {
    const { claims, keys, enter, stored } = await scene()
    await enter('f', 'first')
    await claims.finish(keys, 'first', 'succeeded', 5_000)
    await claims.markPublished(keys, 'first')
    expect((await stored())?.state).toBe('done')
  })

  test('that is new takes away what an earlier run left', async () => {
    const { redis, key, enter } = await scene()
    const left = [key, cancelKey(key), deltasKey(key)]
    for (const name of left) await redis.set(name, 'x')
    expect((await enter('f', 'first')).verdict).toBe('new')
    expect(await redis.exists(left)).toBe(0)
  })

  test('takes no foreign result for its own, and takes away only what it was shown', async () => {
    const { claims, redis, key, keys, enter } = await scene()
    await enter('f', 'first')
    await redis.set(key, 'replaced')
    await claims.dropForeign(keys, 'another', 'seen before', true)
    expect(await redis.get(key)).toBe('replaced')
    await claims.dropForeign(keys, 'first', 'replaced', true)
    expect(await redis.get(key)).toBe('replaced')
    await claims.dropForeign(keys, 'another', 'replaced', true)
    expect(await redis.get(key)).toBeNull()
  })

  test('is cancelled when its last asker has left, with a result that says so', async () => {
    const { redis, key, enter, leave, stored } = await scene()
    await enter('f', 'first')
    await enter('f', 'second')
    expect(await leave('first', 'first')).toBe('asked')
    expect((await stored())?.state).toBe('claimed')
    expect(await leave('first', 'second')).toBe('cancelled')
    expect((await stored())?.state).toBe('cancelled')
    expect(await redis.get(key)).toBe('cancelled')
    expect(await redis.get(cancelKey(key))).toBe('first')
    for (const name of [key, cancelKey(key), claimKey(key)]) {
      expect(await redis.pTTL(name)).toBeGreaterThan(0)
    }
    expect((await enter('f', 'third')).verdict).toBe('new')
  })

  test('is not cancelled by leaving it when it has ended, has a result, or is another run’s', async () => {
    const { claims, redis, key, keys, enter, leave, stored } = await scene()
    await enter('f', 'first')
    expect(await leave('another', 'first')).toBe('ended')
    await redis.set(key, 'a result that nobody has read yet')
    expect(await leave('first', 'first')).toBe('ended')
    await claims.finish(keys, 'first', 'succeeded', 5_000)
    expect(await leave('first', 'first')).toBe('ended')
    expect(await stored()).toMatchObject({ state: 'done', outcome: 'succeeded' })
    expect(await redis.get(key)).toBe('a result that nobody has read yet')
  })

  test('is read, and lives no longer than it should, where memory has run out', async () => {
    const server = await ownRedis()
    const { connection, claims, redis, key, keys, enter } = await scene(server.url)
    await enter('f', 'first')
    await redis.set(key, 'x')
    await redis.configSet('maxmemory', '1')
    const options = { run: 'first', ttlMs: 5_000, entry: '1 first id' }
    const taken = await new Results(connection.client, key, { ends: 'any' }).take(keys, options)
    expect(taken).toEqual({ values: ['x'], run: 'first', isCancelled: false, isFinished: true })
    expect(await redis.pTTL(key)).toBeGreaterThan(0)
    await redis.persist(key)
    await claims.finish(keys, 'first', 'failed', 5_000)
    expect(await redis.pTTL(key)).toBeGreaterThan(0)
  })

  test('whose result Redis has lost is a new run that says so', async () => {
    const { claims, redis, key, keys, enter } = await scene()
    await enter('f', 'first')
    await redis.set(key, 'x')
    await claims.finish(keys, 'first', 'succeeded', 5_000)
    expect(await enter('f', 'second')).toMatchObject({ verdict: 'replay', isLost: false })
    await redis.del(key)
    expect(await enter('f', 'second')).toMatchObject({ verdict: 'new', isLost: true })
  })
})

import { describe, expect, test } from 'vitest'
import {
  announcedScene,
  reads,
  serves,
  startAnnouncer,
  startListener,
} from '../support/announced.ts'
import { eventually } from '../support/eventually.ts'
import { ownRedis } from '../support/servers.ts'

describe('the models of the last 24 hours', () => {
  test('are known to a gateway that starts when no worker is there', async () => {
    const { settings, redis, modelsKey } = await announcedScene()
    const first = startListener(settings)
    const { announcer } = startAnnouncer(settings, ['a'])
    await serves(first, ['a'])
    await eventually('it is remembered', async () => (await redis.hLen(modelsKey)) === 1)
    await announcer.close()
    await first.close()
    const second = startListener(settings)
    await reads(second)
    expect(second.directory.all()).toMatchObject([{ id: 'a', isServed: false }])
    expect(second.directory.all()[0]?.createdAt).toBeGreaterThan(Date.now() - 60_000)
    expect(second.directory.route('a')?.isVerbatim).toBe(true)
    expect(second.directory.route('b')).toBeUndefined()
    expect(second.directory.settlesInMs()).toBe(0)
    const ttl = await redis.pTTL(modelsKey)
    expect(ttl).toBeGreaterThan(86_000_000)
    expect(ttl).toBeLessThanOrEqual(86_400_000)
  })

  test('end when their time is over, by the clock of Redis', async () => {
    const { settings, redis, modelsKey } = await announcedScene()
    const now = Number((await redis.time())[0]) * 1_000
    const dayMs = 86_400_000
    const model = (name: string, ageMs: number): [string, string] => [
      JSON.stringify([settings.QUEUE_NAME, name]),
      JSON.stringify({ verbatim: true, created: now - ageMs, heard: now - ageMs }),
    ]
    await redis.hSet(modelsKey, [
      ...model('old', dayMs),
      ...model('young', dayMs - 60_000),
      'junk',
      'junk',
    ])
    const listener = startListener(settings)
    await reads(listener)
    expect(listener.directory.all().map(({ id }) => id)).toEqual(['young'])
    expect(await redis.hLen(modelsKey)).toBe(1)
  })

  test('may be incomplete after an empty Redis: what is missing may still come for two renewals', async () => {
    const { settings, redis, modelsKey } = await announcedScene()
    const times = { renewMs: 1_000, silentMs: 3_000 }
    const listener = startListener(settings, times)
    expect(listener.directory.settlesInMs()).toBe(2_000)
    await reads(listener)
    expect(listener.directory.settlesInMs()).toBeGreaterThan(0)
    startAnnouncer(settings, ['a'])
    await serves(listener, ['a'])
    expect(await redis.exists(modelsKey)).toBe(0)
    await eventually('it has settled', () => listener.directory.settlesInMs() === 0)
    await eventually('it is remembered', async () => (await redis.hLen(modelsKey)) === 1)
    const next = startListener(settings, times)
    await reads(next)
    expect(next.directory.settlesInMs()).toBe(0)
  })

  test('survive a Redis that has lost everything, in the gateways that heard them', async () => {
    const server = await ownRedis()
    const { settings, redis, modelsKey, fields } = await announcedScene({ REDIS_URL: server.url })
    const listener = startListener(settings)
    const { kill } = startAnnouncer(settings, ['a'])
    startAnnouncer(settings, ['b'])
    await serves(listener, ['a', 'b'])
    await eventually('both are remembered', async () => (await redis.hLen(modelsKey)) === 2)
    kill()
    await serves(listener, ['b'])
    await redis.flushAll()
    await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
    await eventually('they are remembered again', async () => (await redis.hLen(modelsKey)) === 2)
    await eventually('the worker has its field again', async () => (await fields()).length === 1)
    await serves(listener, ['b'])
    expect(listener.directory.route('a')).toBeDefined()
  })
})

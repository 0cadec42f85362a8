import { describe, expect, test } from 'vitest'
import {
  FAST,
  SLOW,
  announcedScene,
  proxied,
  reads,
  serves,
  startAnnouncer,
  startListener,
} from '../support/announced.ts'
import { eventually } from '../support/eventually.ts'
import { ownRedis } from '../support/servers.ts'

describe('a worker that announces itself', () => {
  test('is there at once at every gateway, whichever came first, and gone at once when it stops', async () => {
    const { settings, fields } = await announcedScene()
    const before = startListener(settings, SLOW)
    await reads(before)
    const { announcer } = startAnnouncer(settings, ['a', 'b'], { renewMs: SLOW.renewMs })
    await serves(before, ['a', 'b'])
    const after = startListener(settings, SLOW)
    await serves(after, ['a', 'b'])
    expect(after.directory.route('a')).toEqual({
      queue: settings.QUEUE_NAME,
      name: 'a',
      isVerbatim: true,
    })
    expect(after.directory.queues()).toEqual([
      { queue: settings.QUEUE_NAME, workers: 1, running: 1, concurrency: 4 },
    ])
    expect(await fields()).toHaveLength(1)

    await announcer.close()
    expect(await fields()).toEqual([])
    for (const listener of [before, after]) {
      await serves(listener, [])
      expect(listener.directory.route('a')).toBeDefined()
      expect(listener.log.named('worker.stopped')).toHaveLength(1)
    }
  })

  test('stays as long as it renews, and tells what has changed', async () => {
    const { settings } = await announcedScene()
    let models = ['a']
    const listener = startListener(settings)
    startAnnouncer(settings, async () => models.map((name) => ({ name, capabilities: ['text'] })))
    await serves(listener, ['a'])
    const past = performance.now() + 3 * FAST.silentMs
    await eventually('three times the silence has passed', () => performance.now() > past)
    await serves(listener, ['a'])
    models = ['b']
    await serves(listener, ['b'])
    expect(listener.directory.route('b')?.isVerbatim).toBe(false)
    expect(listener.directory.all().map(({ id }) => id)).toEqual(['a', 'b'])
  })

  test('that is killed is gone after its silence at every gateway, and its field is removed', async () => {
    const { settings, fields } = await announcedScene()
    const listeners = [startListener(settings), startListener(settings)]
    const { kill } = startAnnouncer(settings, ['a'])
    startAnnouncer(settings, ['b'])
    for (const listener of listeners) await serves(listener, ['a', 'b'])
    kill()
    for (const listener of listeners) await serves(listener, ['b'])
    await eventually('its field is gone', async () => (await fields()).length === 1)
    for (const listener of listeners) {
      await listener.log.until('worker.lost')
      expect(listener.directory.route('a')).toBeDefined()
    }
  })

  test('that died while no gateway ran is removed by the next one', async () => {
    const { settings, fields, redis, key, say } = await announcedScene()
    await say('dead', { queue: settings.QUEUE_NAME, models: ['a'] })
    await say('of-another-queue', { queue: 'elsewhere', models: ['b'] })
    await redis.hSet(key, 'junk', 'junk')
    const listener = startListener(settings)
    await serves(listener, ['a'])
    await serves(listener, [])
    await eventually('all fields are gone', async () => (await fields()).length === 0)
  })

  test('leaves its field when that is the one of its successor', async () => {
    const { settings, redis, key, fields } = await announcedScene()
    const listener = startListener(settings, SLOW)
    await reads(listener)
    const { announcer } = startAnnouncer(settings, ['a'], { renewMs: 60_000 })
    await serves(listener, ['a'])
    const [worker = ''] = await fields()
    const { queue, models } = JSON.parse((await redis.hGet(key, worker)) ?? '') as object & {
      queue: string
      models: unknown
    }
    const successor = JSON.stringify({ worker, instance: 'next', queue, models })
    await redis.hSet(key, worker, successor)
    await redis.publish(key, successor)
    await announcer.close()
    // In the order of the channel: when this is heard, the stop was.
    const other = { worker: 'x', instance: 'x', queue, models: ['b'] }
    await redis.publish(key, JSON.stringify(other))
    await serves(listener, ['a', 'b'])
    expect(await redis.hGet(key, worker)).toBe(successor)
  })

  test('stops at once, also while its models are asked for', async () => {
    const { settings, fields } = await announcedScene()
    const listener = startListener(settings, SLOW)
    await reads(listener)
    let calls = 0
    const asked = () =>
      (calls += 1) === 1
        ? Promise.resolve([{ name: 'a', capabilities: [] }])
        : new Promise<never>(() => {})
    const { announcer } = startAnnouncer(settings, asked)
    await serves(listener, ['a'])
    await eventually('the models are asked for', () => calls === 2)
    await announcer.close()
    await serves(listener, [])
    expect(await fields()).toEqual([])
  })

  test('is heard where Redis has no memory for its field', async () => {
    const server = await ownRedis()
    const { settings, redis, fields } = await announcedScene({ REDIS_URL: server.url })
    const listener = startListener(settings)
    await reads(listener)
    await redis.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' })
    startAnnouncer(settings, ['a'])
    await serves(listener, ['a'])
    expect(await fields()).toEqual([])
  })
})

describe('a worker of another program', () => {
  test('announces itself by two commands, and stops by two', async () => {
    const { settings, say, stop } = await announcedScene()
    const listener = startListener(settings, SLOW)
    await reads(listener)
    await say('gpu-1', { queue: settings.QUEUE_NAME, models: ['a'] })
    await serves(listener, ['a'])
    expect(listener.directory.route('a')?.isVerbatim).toBe(false)
    await stop('gpu-1')
    await serves(listener, [])
  })

  test('that says what cannot be read is ignored, with one warning for each fault', async () => {
    const { settings, redis, key, say } = await announcedScene()
    await redis.hSet(key, { 'not-json': '{', 'not-mine': '{"worker":"x","instance":"x"}' })
    const listener = startListener(settings, SLOW)
    await reads(listener)
    for (let times = 0; times < 3; times += 1) {
      await redis.publish(key, 'junk')
      await redis.publish(key, '{"worker":"y","instance":"y","queue":"q"}')
    }
    await say('gpu-1', { queue: settings.QUEUE_NAME, models: ['a'] })
    await serves(listener, ['a'])
    expect(listener.log.named('worker.unreadable').map(({ problem }) => problem)).toEqual([
      'not JSON',
      expect.stringContaining('queue'),
      'not JSON',
      expect.stringContaining('models'),
    ])
  })
})

describe('a gateway whose link to Redis breaks', () => {
  test('knows who has come and gone meanwhile, as soon as it is back', async () => {
    const { settings, say, stop } = await announcedScene()
    const of = (models: string[]) => ({ queue: settings.QUEUE_NAME, models })
    const { proxy, REDIS_URL } = await proxied(settings)
    const listener = startListener({ ...settings, REDIS_URL }, SLOW)
    await reads(listener)
    await say('w', of(['a']))
    await say('x', of(['b']))
    await serves(listener, ['a', 'b'])
    await proxy.close()
    await eventually('the link is lost', () => listener.workers.problem !== '')
    await stop('w')
    await say('y', of(['c']))
    await proxy.open(Number(new URL(REDIS_URL).port))
    await serves(listener, ['b', 'c'])
  })

  test('removes no field of a worker that it could not hear', async () => {
    const { settings, fields } = await announcedScene()
    const { proxy, REDIS_URL } = await proxied(settings)
    const listener = startListener({ ...settings, REDIS_URL })
    startAnnouncer(settings, ['a'])
    await serves(listener, ['a'])
    await proxy.close()
    await serves(listener, [])
    expect(await fields()).toHaveLength(1)
    await proxy.open(Number(new URL(REDIS_URL).port))
    await serves(listener, ['a'])
    expect(listener.log.named('worker.lost')).toEqual([])
    expect(await fields()).toHaveLength(1)
  })
})

test('without the right to listen, the gateway says so once, and only settings name models', async () => {
  const server = await ownRedis()
  await server.control('ACL', 'SETUSER', 'old', 'on', '>x', '~*', 'resetchannels', '+@all')
  const url = new URL(server.url)
  url.username = 'old'
  url.password = 'x'
  const { settings } = await announcedScene({ REDIS_URL: server.url })
  const listener = startListener({ ...settings, REDIS_URL: url.href })
  await listener.log.until('workers.not_heard')
  expect(listener.workers.problem).toMatch(/NOPERM/)
  expect(listener.directory.settlesInMs()).toBe(0)
  const past = performance.now() + 3 * FAST.renewMs
  await eventually('three renewals have passed', () => performance.now() > past)
  expect(listener.log.named('workers.not_heard')).toHaveLength(1)

  await server.control('ACL', 'SETUSER', 'old', 'allchannels')
  await server.control('CLIENT', 'KILL', 'USER', 'old')
  startAnnouncer(settings, ['a'])
  await serves(listener, ['a'])
})

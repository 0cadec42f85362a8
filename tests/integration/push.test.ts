import { describe, expect, test } from 'vitest'
import { RedisConnection } from '../../src/redis/connection.ts'
import { Push } from '../../src/redis/push.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { LinkProxy } from '../support/proxy.ts'
import { claimRecord } from '../support/record.ts'
import {
  freshSettings,
  isReady,
  startGateway,
  startPlainWorker,
  testChannel,
  testRedis,
} from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'
import { inject, onTestFinished } from 'vitest'
import type { PartHealth } from '../../src/http/operations.ts'

const SETTING = 'notify-keyspace-events'

async function parts(url: string): Promise<Record<string, PartHealth>> {
  const { parts: list } = (await (await fetch(`${url}/readyz`)).json()) as { parts: PartHealth[] }
  return Object.fromEntries(list.map((part) => [part.name, part]))
}

describe('notify-keyspace-events', () => {
  test.each([
    ['', ['$', 'K', 'g', 't']],
    ['xE', ['$', 'E', 'K', 'g', 't', 'x']],
    ['Km', ['$', 'K', 'g', 'm', 't']],
  ])('%j is completed by the gateway itself, other flags are kept', async (before, after) => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    await redis.configSet(SETTING, before)
    const settings = { ...freshSettings(), REDIS_URL: server.url }
    const gateway = await startGateway(settings)
    const flags = (await redis.configGet(SETTING))[SETTING] ?? ''
    expect(flags.split('').toSorted()).toEqual(after)
    expect(gateway.log.named('push.repaired')).toMatchObject([{ before }])
  })

  test('with NOTIFY_CONFIG=check it is not touched, and /readyz says what is missing and how to mend it', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    await redis.configSet(SETTING, 'Ex')
    const settings = { ...freshSettings(), REDIS_URL: server.url, NOTIFY_CONFIG: 'check' }
    const gateway = await startGateway(settings, { untilReady: false })
    const push = await eventually('the push has been looked at', async () => {
      const part = (await parts(gateway.url)).push
      return part?.detail.includes('CONFIG SET') ? part : undefined
    })
    expect(push.ready).toBe(false)
    expect(push.detail).toMatch(/lacks K\$gt: run CONFIG SET notify-keyspace-events "xEK\$gt"/)
    expect((await redis.configGet(SETTING))[SETTING]).toBe('xE')
    expect((await generate(gateway.url, 'd-1', 'x')).body).toMatchObject({ code: 'results_down' })
  })

  test('with NOTIFY_CONFIG=check and only the rarer classes off, it is ready and says so', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    await redis.configSet(SETTING, 'K$')
    const settings = { ...freshSettings(), REDIS_URL: server.url, NOTIFY_CONFIG: 'check' }
    const gateway = await startGateway(settings)
    const { push } = await parts(gateway.url)
    expect(push).toMatchObject({ ready: true, detail: expect.stringContaining('lacks gt') })
  })

  test('where CONFIG is forbidden, the probe alone decides', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    await redis.configSet(SETTING, 'KA')
    await redis.sendCommand([
      'ACL',
      'SETUSER',
      'narrow',
      'on',
      '>pw',
      '~*',
      '&*',
      '+@all',
      '-config',
    ])
    const url = server.url.replace('redis://', 'redis://narrow:pw@')
    const gateway = await startGateway({ ...freshSettings(), REDIS_URL: url })
    expect((await parts(gateway.url)).push?.detail).toMatch(/last probe [\d.]+ ms$/)
    expect(JSON.stringify(gateway.log.all)).not.toContain('narrow:pw')
  })

  test('a hint of another kind does not prove it', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    await redis.sendCommand([
      'ACL',
      'SETUSER',
      'narrow',
      'on',
      '>pw',
      '~*',
      '&*',
      '+@all',
      '-config',
    ])
    const url = server.url.replace('redis://', 'redis://narrow:pw@')
    const settings = { ...freshSettings(), REDIS_URL: url }
    const gateway = await startGateway(settings, { untilReady: false })
    await eventually('the probe waits', () => gateway.load().subscriptions === 1)
    await redis.publish(`${settings.REDIS_PREFIX}:@push-repaired`, 'x')
    const { reason } = await gateway.log.until('push.not_ready')
    expect(reason).toContain('a write was not announced')
    expect(await isReady(gateway.url)).toBe(false)
  })

  test('a server that announces its misses too is not asked in a loop', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    await redis.configSet(SETTING, 'KEAm')
    const settings = { ...freshSettings(), REDIS_URL: server.url, TIMEOUT: '0.5' }
    const [first, second] = await Promise.all([startGateway(settings), startGateway(settings)])
    const waiting = generate(first.url, 'd-6', 'x')
    await eventually('it waits', () => first.load().subscriptions === 2)
    const before = await commands(redis)
    await generate(second.url, 'd-6', 'x')
    await waiting
    expect((await commands(redis)) - before).toBeLessThan(100)
  })

  test('one replica repairs it, and another whose own probe never failed reads again', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    // Longer than this test may take: the last look of a request would find the result, too.
    const settings = { ...freshSettings(), REDIS_URL: server.url, TIMEOUT: '60' }
    const gateway = await startGateway(settings)
    const waiting = generate(gateway.url, 'd-2', 'x')
    const key = `${settings.REDIS_PREFIX}:d-2`
    // A claim that is made later would take the result away.
    await eventually('it is claimed', () => claimRecord(redis, key).exists())
    await redis.configSet(SETTING, '')
    await redis.set(key, JSON.stringify({ content: 'unannounced' }))
    // A second replica looks at the setting when it starts, long before the first one's next probe.
    const other = await startGateway(settings)
    expect(other.log.named('push.repaired')).toHaveLength(1)
    expect((await waiting).body).toEqual({ content: 'unannounced' })
  })
})

describe('arming', () => {
  test('cut off by a lost link, it is done again when the link is back', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    await startPlainWorker(settings, ({ content }) => content)
    const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
    let cuts = 0
    proxy.onBytes = (chunk, client) => {
      if (cuts > 0 || !chunk.includes(`${settings.REDIS_PREFIX}:d-7`)) return
      if (!chunk.toString().toLowerCase().includes('subscribe')) return
      cuts += 1
      client.resetAndDestroy()
    }
    expect((await generate(gateway.url, 'd-7', 'x')).body).toEqual({ content: 'x' })
    expect(cuts).toBe(1)
  })

  test('refused, it is a 503, and nothing stays claimed', async () => {
    const server = await ownRedis()
    const redis = await testRedis(server.url)
    const settings = freshSettings()
    const own = [`&*@probe*`, `&*@push-repaired`]
    await redis.sendCommand([
      'ACL',
      'SETUSER',
      'deaf',
      'on',
      '>pw',
      '~*',
      'resetchannels',
      ...own,
      '+@all',
    ])
    const url = server.url.replace('redis://', 'redis://deaf:pw@')
    const gateway = await startGateway({ ...settings, REDIS_URL: url })
    expect((await generate(gateway.url, 'd-8', 'x')).body).toMatchObject({ code: 'results_down' })
    const claim = claimRecord(redis, `${settings.REDIS_PREFIX}:d-8`)
    await eventually('no claim', async () => !(await claim.exists()))
    expect((await (await testChannel()).checkQueue(settings.QUEUE_NAME)).messageCount).toBe(0)
  })
})

/** How many commands this server has been asked. */
async function commands(redis: Awaited<ReturnType<typeof testRedis>>): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1])
}

describe('a lost link', () => {
  test('what was written while the subscriber was away is read when it is back', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '20' }
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
    const redis = await testRedis()
    // The subscriber alone: the probe, on the other connection, notices nothing.
    const asked = Array.from({ length: 50 }, (_, index) => `d-3-${index}`)
    const worker = await startPlainWorker(settings, () => undefined)
    const replies = asked.map((id) => generate(gateway.url, id, id))
    await eventually('all are with the worker', () => worker.tasks.length === asked.length)
    proxy.cut('protollm-subscriber')
    await Promise.all(
      asked.map((id) =>
        redis.set(`${settings.REDIS_PREFIX}:${id}`, JSON.stringify({ content: id })),
      ),
    )
    const started = performance.now()
    expect((await Promise.all(replies)).map(({ body }) => body.content)).toEqual(asked)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
  })

  test('a silent Redis is noticed, refused at once, and used again when it answers', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    await startPlainWorker(settings, ({ content }) => content)
    const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
    proxy.faults.toClient.blackHole = true
    await eventually('it is noticed', async () => !(await parts(gateway.url)).redis?.ready, 5_000)
    expect((await parts(gateway.url)).redis?.detail).toBe('no answer to PING')
    await eventually('it is refused at once', async () => {
      const started = performance.now()
      const { body } = await generate(gateway.url, 'd-4', 'x')
      return body.code === 'results_down' && performance.now() - started < 200
    })
    proxy.faults.toClient.blackHole = false
    await eventually('it is back', async () => (await parts(gateway.url)).push?.ready, 10_000)
    expect((await generate(gateway.url, 'd-5', 'x')).body).toEqual({ content: 'x' })
  })

  test('a subscription that no request wants any more after a reconnect is ended', async () => {
    const log = createLog('silent')
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    const connection = new RedisConnection(await proxy.open(), 'subscriber', log)
    onTestFinished(() => connection.close())
    const push = new Push(connection, 0, log)
    connection.open()
    await eventually('connected', () => connection.link.ready)
    const { QUEUE_NAME: name } = freshSettings()
    const watch = push.watch([name], () => {})
    await watch.armed
    // The UNSUBSCRIBE is lost with the link; the library subscribes again to what it had.
    watch.end()
    proxy.cut()
    const redis = await testRedis()
    const channel = `__keyspace@0__:${name}`
    await eventually('the orphan is gone', async () => {
      if (!connection.link.ready) return false
      return (await redis.pubSubNumSub([channel]))[channel] === 0
    })
  })
})

test('a key watched, left and watched again at any moment still gives hints', async () => {
  const log = createLog('silent')
  const connection = new RedisConnection(inject('services').REDIS_URL, 'subscriber', log)
  onTestFinished(() => connection.close())
  const push = new Push(connection, 0, log)
  connection.open()
  const redis = await testRedis()
  await redis.configSet(SETTING, 'K$gt')
  await eventually('connected', () => connection.link.ready)
  const { QUEUE_NAME: key } = freshSettings()
  for (let round = 0; round < 200; round += 1) {
    const first = push.watch([key], () => {})
    if (round % 3 === 0) await first.armed
    // Left after its SUBSCRIBE was sent and before that was acknowledged, and wanted again right after.
    if (round % 3 === 1) await new Promise((resolve) => setImmediate(resolve))
    first.end()
    if (round % 3 === 1) await first.armed
    let hints = 0
    const second = push.watch([key], () => (hints += 1))
    await second.armed
    await redis.set(key, String(round))
    await eventually(`the hint of round ${round}`, () => hints > 0, 1_000)
    second.end()
  }
  await eventually('nothing is left', () => push.size === 0)
})

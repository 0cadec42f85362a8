import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import { generate } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { LinkProxy, saidOf } from '../support/proxy.ts'
import {
  freshSettings,
  startGateway,
  startPlainWorker,
  testChannel,
  testScene,
} from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'
import type { LinkFaults } from '../support/proxy.ts'
import type { Settings } from '../support/scene.ts'

/** The claim of one job, its result and its queue. */
async function claimOf(settings: Settings, id: string) {
  const scene = await testScene(settings)
  const { redis, channel, depth } = scene
  const [key, claim] = [scene.key(id), scene.claim(id)]
  return {
    ...claim,
    redis,
    key,
    depth,
    /** With its message, which a replica that died before its publish has not sent. */
    async abandon(agoMs: number) {
      await channel.purgeQueue(scene.settings.QUEUE_NAME)
      await claim.abandon(agoMs)
    },
  }
}

describe('an answer belongs to its request', () => {
  test('also when another replica has read it and given the id to another payload meanwhile', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    proxy.faults.toClient.delayMs = 5
    await startPlainWorker(settings, ({ content }) => content)
    const quick = await startGateway(settings)
    const slow = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
    const crossed: unknown[] = []
    for (let round = 0; round < 20; round += 1) {
      const id = `h-1-${round}`
      const other = generate(slow.url, id, 'mine')
      await generate(quick.url, id, 'mine')
      await generate(quick.url, id, 'another payload')
      const { status, body } = await other
      const isTrue = body.content === 'mine' || (status === 409 && body.code === 'job_conflict')
      if (!isTrue) crossed.push(body)
    }
    expect(crossed).toEqual([])
  })

  test('a late result of a foreign run does not end another payload’s job in flight', async () => {
    // A Redis of its own, because this test turns its notifications off.
    const settings = { ...freshSettings(), REDIS_URL: (await ownRedis()).url }
    const gateway = await startGateway(settings)
    const first = generate(gateway.url, 'h-2', 'x')
    const claim = await claimOf(settings, 'h-2')
    await eventually('it is published', async () => (await claim.depth()) === 1)
    // Written past every notification: only the next request can see it.
    await claim.redis.configSet('notify-keyspace-events', '')
    await claim.redis.set(claim.key, '{"content":"stale","run":"of-long-ago"}')
    await claim.redis.configSet('notify-keyspace-events', 'K$gt')
    const other = await startGateway(settings)
    expect((await generate(other.url, 'h-2', 'y')).body.code).toBe('job_conflict')
    expect(await claim.state()).not.toBe('done')
    await startPlainWorker(settings, ({ content }) => content)
    expect((await first).body).toEqual({ content: 'x' })
  })

  test('a foreign result that comes while the claim is being entered is taken away, for it stands in the way', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    const data: LinkFaults = { toServer: {}, toClient: {} }
    proxy.faultsOf = (first) => (first.includes('protollm-data') ? data : proxy.faults)
    const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
    const claim = await claimOf(settings, 'h-10')
    // The claim is made once events are subscribed to, and its reply comes after the event of the foreign result.
    const { subscribed, set } = saidOf(claim.key)
    data.toServer = { until: proxy.said(subscribed) }
    data.toClient = { until: proxy.said(set) }
    const asked = generate(gateway.url, 'h-10', 'x')
    const run = await eventually('it is claimed', () => claim.run())
    await claim.redis.set(claim.key, '{"content":"stale","run":"of-long-ago"}')
    await eventually('it is gone', async () => (await claim.redis.exists(claim.key)) === 0)
    await claim.redis.set(claim.key, JSON.stringify({ content: 'true', run }))
    expect((await asked).body).toEqual({ content: 'true' })
  })

  test('a replay whose result is another run’s starts a new run', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    const worker = await startPlainWorker(settings, ({ content }) => content)
    await generate(gateway.url, 'h-3', 'x')
    const claim = await claimOf(settings, 'h-3')
    await eventually('it is marked', async () => (await claim.state()) === 'done')
    await claim.redis.set(claim.key, '{"content":"stale","run":"of-long-ago"}')
    const again = await generate(gateway.url, 'h-3', 'x')
    expect(again.body).toEqual({ content: 'x' })
    expect(again.headers.has('idempotent-replayed')).toBe(false)
    expect(worker.tasks).toHaveLength(2)
  })
})

describe('an outcome that no request has read yet', () => {
  test('is not thrown away when the job’s life is over, and is said to have been there', async () => {
    const settings = { ...freshSettings(), JOB_TTL_S: '1', TIMEOUT: '0.3' }
    const gateway = await startGateway(settings)
    await generate(gateway.url, 'h-4', 'x')
    const claim = await claimOf(settings, 'h-4')
    await claim.redis.set(claim.key, '{"content":"late but there"}')
    await claim.expire()
    const again = await generate(gateway.url, 'h-4', 'x')
    expect(again.body).toEqual({ content: 'late but there' })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(await claim.depth()).toBe(1)
  })

  test.each([
    ['the same payload', 'x'],
    ['another payload', 'y'],
  ])('and that is unreadable does not lock the id, for %s', async (_, content) => {
    const settings = { ...freshSettings(), TIMEOUT: '0.3' }
    const gateway = await startGateway(settings)
    await generate(gateway.url, 'h-5', 'x')
    const claim = await claimOf(settings, 'h-5')
    await claim.redis.set(claim.key, 'not JSON')
    await (await testChannel()).purgeQueue(settings.QUEUE_NAME)
    await startPlainWorker(settings, () => 'fresh')
    const replies = [
      await generate(gateway.url, 'h-5', content),
      await generate(gateway.url, 'h-5', content),
    ]
    expect(replies.at(-1)?.body).toEqual({ content: 'fresh' })
  })
})

describe('acceptance is reported as it is', () => {
  test('a takeover that is refused may run all the same, and keeps the claim', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '1' }
    const channel = await testChannel()
    const limit = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
    await channel.assertQueue(settings.QUEUE_NAME, { durable: true, arguments: limit })
    const gateway = await startGateway(settings)
    await generate(gateway.url, 'h-6', 'x')
    const claim = await claimOf(settings, 'h-6')
    await claim.abandon(6_000)
    channel.sendToQueue(settings.QUEUE_NAME, Buffer.from('{}'))
    await eventually('the queue is full', async () => (await claim.depth()) === 1)
    const reply = await generate(gateway.url, 'h-6', 'x')
    expect(reply.body).toMatchObject({ status: 503, code: 'acceptance_unknown' })
    expect(await claim.state()).toBe('claimed')
  })

  test('a refusal that comes after another replica took over takes nothing from that one', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '15' }
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const late = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    const other = await startGateway(settings)
    const channel = await testChannel()
    await channel.deleteQueue(settings.QUEUE_NAME)
    const claim = await claimOf(settings, 'h-7')
    const takeover = closedGate()
    proxy.faults.toClient = { until: takeover.opened }
    const refused = proxy.said('NO_ROUTE')
    const refusedLate = generate(late.url, 'h-7', 'x')
    // A queue for the other one, but not before the refusal was made.
    await refused
    const holder = (await claim.get())?.holder
    await channel.assertQueue(settings.QUEUE_NAME, { durable: false })
    const joined = generate(other.url, 'h-7', 'x')
    await eventually('it is taken over', async () => (await claim.get())?.holder !== holder)
    takeover.open()
    const { code } = (await refusedLate).body
    expect(code).toBe('acceptance_unknown')
    expect((await claim.get())?.fingerprint).toBeDefined()
    expect((await generate(other.url, 'h-7', 'another')).body.code).toBe('job_conflict')
    await startPlainWorker(settings, ({ content }) => content)
    expect((await joined).body).toEqual({ content: 'x' })
  })

  test('a joiner that leaves does not vouch for a message that no replica has published', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '0.3' }
    const gateway = await startGateway(settings)
    await generate(gateway.url, 'h-8', 'x')
    const claim = await claimOf(settings, 'h-8')
    await claim.abandon(0)
    expect((await generate(gateway.url, 'h-8', 'x')).body.code).toBe('acceptance_unknown')
    expect(await claim.state()).toBe('claimed')
    await claim.abandon(6_000)
    expect((await generate(gateway.url, 'h-8', 'x')).body.code).toBe('timed_out')
    expect(await claim.depth()).toBe(1)
  })

  test('a message that was never confirmed is not said to go on when the time is over', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '1' }
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    proxy.faults.toServer.blackHole = true
    const reply = await generate(gateway.url, 'h-9', 'x')
    expect(reply.body).toMatchObject({ status: 503, code: 'acceptance_unknown', job_id: 'h-9' })
  })

  test('a job that keeps running after a stop is marked, and a retry elsewhere joins it at once', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    const asked = generate(gateway.url, 'h-11', 'x')
    const claim = await claimOf(settings, 'h-11')
    const confirmed = 'gateway_publish_total{result="confirmed"}'
    await eventually('it is confirmed', async () => (await metricsOf(gateway.url))[confirmed] === 1)
    await gateway.close(0)
    expect((await asked).body.code).toBe('interrupted')
    expect(await claim.state()).toBe('published')
  })

  test('a job that keeps running is marked, and no replica takes it over', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    const waiting = generate(gateway.url, 'h-10', 'x')
    const claim = await claimOf(settings, 'h-10')
    await eventually('it is marked', async () => (await claim.state()) === 'published', 3_000)
    await claim.age(60_000)
    const other = await startGateway(settings)
    const joined = generate(other.url, 'h-10', 'x')
    await eventually('it has joined', () => other.load().subscriptions === 2)
    await startPlainWorker(settings, ({ content }) => content)
    expect([(await waiting).body, (await joined).body]).toEqual([
      { content: 'x' },
      { content: 'x' },
    ])
  })
})

test('a takeover reads what came before its subscription stood, and publishes nothing then', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '8' }
  const proxy = new LinkProxy(inject('services').REDIS_URL)
  onTestFinished(() => proxy.close())
  const subscriber: LinkFaults = { toServer: {}, toClient: {} }
  proxy.faultsOf = (first) => (first.includes('protollm-subscriber') ? subscriber : proxy.faults)
  const short = await startGateway({ ...settings, TIMEOUT: '0.2' })
  await generate(short.url, 'h-11', 'x')
  const claim = await claimOf(settings, 'h-11')
  await claim.abandon(6_000)
  const since = (await claim.get())?.since
  const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
  const written = closedGate()
  subscriber.toServer = { until: written.opened }
  const waiting = generate(gateway.url, 'h-11', 'x')
  await eventually('it has been taken over', async () => (await claim.get())?.since !== since)
  await claim.redis.set(claim.key, '{"content":"of the dead replica’s message"}')
  written.open()
  expect((await waiting).body).toEqual({ content: 'of the dead replica’s message' })
  // At once, and not by the last look before its time is over.
  const read = 'gateway_result_wakeups_total{source="armed_read"}'
  expect((await metricsOf(gateway.url))[read]).toBe(1)
  expect(await claim.depth()).toBe(0)
})

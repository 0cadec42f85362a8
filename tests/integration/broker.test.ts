import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import { generate, leavable, post } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { LinkProxy } from '../support/proxy.ts'
import { claimRecord } from '../support/record.ts'
import {
  freshSettings,
  startGateway,
  startPlainWorker,
  testChannel,
  testRedis,
} from '../support/scene.ts'

describe('the queue', () => {
  test('is declared as a protollm 1.0 worker declares it, unless QUEUE_DURABLE says otherwise', async () => {
    const [plain, durable] = [freshSettings(), { ...freshSettings(), QUEUE_DURABLE: 'true' }]
    await Promise.all([startGateway(plain), startGateway(durable)])
    const channel = await testChannel()
    // Declaring it otherwise than it is would be refused.
    for (const [{ QUEUE_NAME: queue }, isDurable] of [
      [plain, false],
      [durable, true],
    ] as const) {
      expect(await channel.assertQueue(queue, { durable: isDurable })).toMatchObject({ queue })
    }
  })

  test('that exists with other arguments is used as it is, and the log says so', async () => {
    const settings = freshSettings()
    const channel = await testChannel()
    await channel.assertQueue(settings.QUEUE_NAME, { durable: true, maxPriority: 5 })
    const gateway = await startGateway({ ...settings, TIMEOUT: '0.1' })
    expect((await generate(gateway.url, 'e-1', 'x')).status).toBe(504)
    expect((await channel.checkQueue(settings.QUEUE_NAME)).messageCount).toBe(1)
    expect(gateway.log.named('broker.queue_refused')).toEqual([])
    const difference = expect.stringContaining("inequivalent arg 'durable'")
    expect(gateway.log.named('broker.queue_differs')).toMatchObject([{ difference }])
    const waiting = `gateway_queue_waiting{queue="${settings.QUEUE_NAME}"}`
    await eventually(
      'its backlog is known',
      async () => (await metricsOf(gateway.url))[waiting] === 1,
    )
  })

  test('that is full is a 503 and nothing is accepted', async () => {
    const settings = freshSettings()
    const channel = await testChannel()
    const arguments_ = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
    await channel.assertQueue(settings.QUEUE_NAME, { durable: true, arguments: arguments_ })
    const gateway = await startGateway({ ...settings, TIMEOUT: '0.5' })
    await generate(gateway.url, 'e-2', 'x')
    const refused = await generate(gateway.url, 'e-3', 'x')
    expect(refused.body).toMatchObject({ status: 503, code: 'queue_full', job_id: 'e-3' })
    await channel.purgeQueue(settings.QUEUE_NAME)
    // Its claim was released: the same request is a new one.
    expect((await generate(gateway.url, 'e-3', 'x')).status).toBe(504)
    expect((await channel.checkQueue(settings.QUEUE_NAME)).messageCount).toBe(1)
  })
})

describe('a deleted queue', () => {
  test('is not ready, is reported as it is, and is declared again', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    const channel = await testChannel()
    await channel.deleteQueue(settings.QUEUE_NAME)
    expect((await generate(gateway.url, 'e-8', 'x')).body).toMatchObject({ code: 'no_such_queue' })
    await eventually('it is there again', async () => {
      const other = await testChannel()
      return other.checkQueue(settings.QUEUE_NAME).then(
        () => true,
        () => false,
      )
    })
    await startPlainWorker(settings, ({ content }) => content)
    expect((await generate(gateway.url, 'e-8', 'x')).body).toEqual({ content: 'x' })
  })

  test('that cannot be declared keeps the gateway from being ready, and says why', async () => {
    const settings = { ...freshSettings(), QUEUE_NAME: 'amq.reserved' }
    const gateway = await startGateway(settings, { untilReady: false })
    const { problem } = await gateway.log.until('broker.queue_refused')
    expect(problem).toContain('ACCESS_REFUSED')
    await gateway.log.until('broker.connected')
    const response = await fetch(`${gateway.url}/readyz`)
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('ACCESS_REFUSED')
  })
})

test('a job whose client has left before it was published is not published', async () => {
  const settings = freshSettings()
  const proxy = new LinkProxy(inject('services').REDIS_URL)
  onTestFinished(() => proxy.close())
  const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
  const claim = claimRecord(await testRedis(), `${settings.REDIS_PREFIX}:e-9`)
  // The gateway does not know yet that it has the claim when its client leaves.
  const replies = closedGate()
  proxy.faults.toClient = { until: replies.opened }
  const { leave, left } = leavable(gateway.url, 'e-9')
  await eventually('it is pending', () => gateway.load().pending === 1)
  leave()
  expect(await left).toBe('left')
  await eventually('it was claimed', () => claim.exists())
  await eventually('no request is held', () => gateway.load().pending === 0)
  replies.open()
  await eventually('and released', async () => !(await claim.exists()))
  expect((await (await testChannel()).checkQueue(settings.QUEUE_NAME)).messageCount).toBe(0)
})

describe('a lost broker', () => {
  test('a link lost in the middle of its setup is no end of the process', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    let cuts = 0
    proxy.onBytes = (chunk, client) => {
      // The declaration of its queue, while nothing of ours listens to the connection yet.
      if (cuts > 1 || !chunk.includes(settings.QUEUE_NAME)) return
      cuts += 1
      client.resetAndDestroy()
    }
    await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    expect(cuts).toBe(2)
  })

  test('a refusal of the second message is no proof about the first', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const limit = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
    const channel = await testChannel()
    await channel.assertQueue(settings.QUEUE_NAME, { durable: true, arguments: limit })
    const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    // The first one arrives, its confirm does not; for the second one the queue is full.
    proxy.faults.toClient.blackHole = true
    const waiting = generate(gateway.url, 'e-10', 'x')
    await eventually('the first is queued', async () => {
      return (await channel.checkQueue(settings.QUEUE_NAME)).messageCount === 1
    })
    proxy.faults.toClient.blackHole = false
    proxy.cut()
    expect((await waiting).body).toMatchObject({ code: 'acceptance_unknown', job_id: 'e-10' })
  })

  test('requests are refused at once, and taken again when it is back', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    await startPlainWorker(settings, ({ content }) => content)
    const port = Number(new URL(proxy.url).port)
    await proxy.close()
    await eventually('it is refused at once', async () => {
      const started = performance.now()
      const { body } = await generate(gateway.url, 'e-4', 'x')
      return body.code === 'broker_down' && performance.now() - started < 200
    })
    await proxy.open(port)
    await eventually(
      'it is taken again',
      async () => (await generate(gateway.url, 'e-4', 'x')).status === 200,
    )
  })

  test('a blip is passed over: no request is refused', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    await startPlainWorker(settings, ({ content }) => content)
    proxy.cut()
    await gateway.log.until('broker.disconnected')
    expect((await generate(gateway.url, 'e-5', 'x')).body).toEqual({ content: 'x' })
  })

  test('a message whose confirm was lost is published again, and its outcome is one', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    // What the gateway sends is swallowed: the message never reaches the broker.
    proxy.faults.toServer.blackHole = true
    let isSent = false
    proxy.onBytes = (chunk) => (isSent ||= chunk.includes('"job_id":"e-6"'))
    const waiting = generate(gateway.url, 'e-6', 'x')
    await eventually('it is sent', () => isSent)
    const worker = await startPlainWorker(settings, ({ content }) => content)
    proxy.faults.toServer.blackHole = false
    proxy.cut()
    expect((await waiting).body).toEqual({ content: 'x' })
    expect(worker.tasks).toHaveLength(1)
    expect(gateway.log.named('job.confirm_lost')).toHaveLength(1)
  })
})

test('bad input of every kind publishes nothing', async () => {
  const settings = { ...freshSettings(), MAX_BODY_BYTES: '10000' }
  const gateway = await startGateway(settings)
  const valid = { job_id: 'e-7', meta: {}, content: 'x' }
  const json = { 'content-type': 'application/json' }
  const raw = async (init: RequestInit): Promise<number> =>
    (await fetch(`${gateway.url}/generate`, { method: 'POST', ...init })).status
  const chunked = (text: string): RequestInit => ({
    headers: json,
    body: new Blob([text]).stream(),
    duplex: 'half',
  })
  const statuses = [
    (await post(gateway.url, '/generate', { ...valid, job_id: '../x' })).status,
    (await post(gateway.url, '/generate', { ...valid, meta: null })).status,
    (await post(gateway.url, '/generate', '{')).status,
    (await post(gateway.url, '/chat_completion', valid)).status,
    (await post(gateway.url, '/generate?queue_name=other', valid)).status,
    (await post(gateway.url, '/generate', '['.repeat(100) + ']'.repeat(100))).status,
    (await post(gateway.url, '/generate', { ...valid, content: 'x'.repeat(10_000) })).status,
    await raw(chunked(JSON.stringify({ ...valid, content: 'x'.repeat(10_000) }))),
    await raw({ body: JSON.stringify(valid) }),
    await raw({ method: 'PUT', headers: json, body: JSON.stringify(valid) }),
    (await post(gateway.url, '/nothing', valid)).status,
  ]
  expect(statuses).toEqual([422, 422, 422, 422, 422, 422, 413, 413, 415, 405, 404])
  const { messageCount } = await (await testChannel()).checkQueue(settings.QUEUE_NAME)
  expect(messageCount).toBe(0)
  expect(await raw(chunked(JSON.stringify({ ...valid, meta: { temperature: 'hot' } })))).toBe(422)
})

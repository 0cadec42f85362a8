import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate, post } from '../support/http-client.ts'
import { LinkProxy } from '../support/proxy.ts'
import { claimRecord } from '../support/record.ts'
import {
  freshSettings,
  startGateway,
  startPlainWorker,
  testChannel,
  testRedis,
} from '../support/scene.ts'
import { inject, onTestFinished } from 'vitest'

test('answers a prompt with what the worker wrote, and says how long each stage took', async () => {
  const settings = freshSettings()
  await startPlainWorker(settings, ({ content }) => `echo: ${content}`)
  const gateway = await startGateway(settings)
  const reply = await generate(gateway.url, 'a-1', 'What is AI?')
  expect(reply.status).toBe(200)
  expect(reply.body).toEqual({ content: 'echo: What is AI?' })
  expect(reply.headers.get('x-job-id')).toBe('a-1')
  expect(reply.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/)
  expect(reply.headers.get('server-timing')).toMatch(
    /^arm;dur=[\d.]+, queue;dur=[\d.]+, read;dur=[\d.]+, total;dur=[\d.]+$/,
  )
})

test('answers a conversation, on a queue of the allowed ones', async () => {
  const settings = freshSettings()
  const other = `${settings.QUEUE_NAME}-other`
  await startPlainWorker({ ...settings, QUEUE_NAME: other }, ({ content }) => content)
  const gateway = await startGateway({ ...settings, ALLOWED_QUEUES: ` ${other} ,` })
  const messages = [
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'second' },
    { role: 'user', content: 'third' },
  ]
  const body = { job_id: 'a-2', meta: { temperature: null }, messages }
  const reply = await post(gateway.url, `/chat_completion?queue_name=${other}`, body)
  expect(reply.body).toEqual({ content: 'third' })
})

test('publishes what protollm_api would, persistent, with id, run and expiration', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '0.05' }
  const gateway = await startGateway(settings)
  const channel = await testChannel()
  await generate(gateway.url, 'a-3', 'text')
  const message = await eventually('a message', () => channel.get(settings.QUEUE_NAME))
  expect(JSON.parse(message.content.toString())).toEqual({
    type: 'task',
    task: 'generate',
    args: [],
    kwargs: {
      prompt: {
        job_id: 'a-3',
        meta: { temperature: 0.2, tokens_limit: 8096, stop_words: null, model: null },
        messages: [{ role: 'user', content: 'text' }],
      },
      prompt_type: 'chat_completion',
    },
    id: 'a-3',
    retries: 0,
    eta: null,
  })
  const { deliveryMode, messageId, correlationId, expiration } = message.properties
  expect({ deliveryMode, messageId }).toEqual({ deliveryMode: 2, messageId: 'a-3' })
  expect(correlationId).toMatch(/^[\da-f-]{36}$/)
  expect(Number(expiration)).toBeGreaterThan(3_590_000)
  expect(Number(expiration)).toBeLessThanOrEqual(3_600_000)
})

test('answers 504 with the job id when the time is over, and the same request gets the outcome later', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '0.2' }
  const gateway = await startGateway(settings)
  const late = await generate(gateway.url, 'a-4', 'x')
  expect(late.status).toBe(504)
  expect(late.body).toMatchObject({ code: 'timed_out', job_id: 'a-4', status: 504 })
  const worker = await startPlainWorker(settings, () => 'at last')
  const again = await generate(gateway.url, 'a-4', 'x')
  expect(again.body).toEqual({ content: 'at last' })
  expect(worker.tasks).toHaveLength(1)
})

test('a result that arrives without its notification is found by the last read', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '0.5' }
  const redis = await testRedis()
  const key = `${settings.REDIS_PREFIX}:a-5`
  // A rename from another key with notifications of its class swallowed cannot be had on a shared
  // server; a black hole on the subscriber's link loses the event just as well.
  const proxy = new LinkProxy(inject('services').REDIS_URL)
  const faults = { toServer: {}, toClient: { blackHole: false } }
  proxy.faultsOf = (first) =>
    first.includes('protollm-subscriber') ? faults : { toServer: {}, toClient: {} }
  onTestFinished(() => proxy.close())
  const gateway = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
  await startPlainWorker(settings, async () => {
    faults.toClient.blackHole = true
    await redis.set(key, JSON.stringify({ content: 'found' }))
    return undefined
  })
  const reply = await generate(gateway.url, 'a-5', 'x')
  expect(reply.body).toEqual({ content: 'found' })
  expect(reply.headers.get('server-timing')).not.toContain('read')
})

test('a worker’s failure is a 502 with its message', async () => {
  const settings = freshSettings()
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, async ({ id }) => {
    const error = { type: 'CUDA', message: 'out of memory' }
    await redis.set(`${settings.REDIS_PREFIX}:${id}`, JSON.stringify({ error }))
    return undefined
  })
  const reply = await generate(gateway.url, 'a-6', 'x')
  expect(reply.status).toBe(502)
  expect(reply.body).toMatchObject({ code: 'worker_failed', detail: 'CUDA: out of memory' })
})

test.each([
  ['not JSON', 'oops'],
  ['without content', '{"result":"x"}'],
])('an unreadable result is a 502 and not a wait: %s', async (_, value) => {
  const settings = freshSettings()
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, async ({ id }) => {
    await redis.set(`${settings.REDIS_PREFIX}:${id}`, value)
    return undefined
  })
  const reply = await generate(gateway.url, 'a-7', 'x')
  expect(reply.status).toBe(502)
  expect(reply.body.code).toBe('bad_result')
  expect(JSON.stringify(reply.body)).not.toContain('oops')
})

test('a result key of another type is a 502', async () => {
  const settings = freshSettings()
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, async ({ id }) => {
    // A rename is announced as a write of the key, whatever its type.
    await redis.rPush(`${settings.REDIS_PREFIX}:tmp`, 'x')
    await redis.rename(`${settings.REDIS_PREFIX}:tmp`, `${settings.REDIS_PREFIX}:${id}`)
    return undefined
  })
  const reply = await generate(gateway.url, 'a-8', 'x')
  expect(reply.body).toMatchObject({ status: 502, code: 'bad_result' })
})

test('every kind of write a worker may use wakes the request', async () => {
  const settings = freshSettings()
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  const value = JSON.stringify({ content: 'x' })
  const writes: Record<string, (key: string) => Promise<unknown>> = {
    set: (key) => redis.set(key, value),
    setex: (key) => redis.setEx(key, 60, value),
    getset: (key) => redis.getSet(key, value),
    mset: (key) => redis.mSet([[key, value]]),
    append: (key) => redis.append(key, value),
    setrange: (key) => redis.setRange(key, 0, value),
    rename: async (key) => {
      await redis.set(`${key}:tmp`, value)
      await redis.rename(`${key}:tmp`, key)
    },
    copy: async (key) => {
      await redis.set(`${key}:tmp`, value)
      await redis.copy(`${key}:tmp`, key)
    },
    multi: (key) => redis.multi().set(key, value).expire(key, 60).exec(),
  }
  await startPlainWorker(settings, async ({ id }) => {
    await writes[id]?.(`${settings.REDIS_PREFIX}:${id}`)
    return undefined
  })
  const replies = await Promise.all(
    Object.keys(writes).map(async (id) => [id, (await generate(gateway.url, id, 'x')).status]),
  )
  expect(Object.fromEntries(replies)).toEqual(
    Object.fromEntries(Object.keys(writes).map((id) => [id, 200])),
  )
})

test('the answer does not wait for the broker’s confirm', async () => {
  const settings = freshSettings()
  const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
  onTestFinished(() => proxy.close())
  const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
  await startPlainWorker(settings, () => 'quick')
  proxy.faults.toClient.blackHole = true
  const reply = await generate(gateway.url, 'a-9', 'x')
  expect(reply.body).toEqual({ content: 'quick' })
})

test('the time to live of claim and result is set once the outcome was read', async () => {
  const settings = { ...freshSettings(), JOB_TTL_S: '50', RESULT_TTL_S: '100' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, () => 'x')
  await generate(gateway.url, 'a-10', 'x')
  const key = `${settings.REDIS_PREFIX}:a-10`
  await eventually('the result has a time to live', async () => (await redis.ttl(key)) > 0)
  const [ofResult, ofRecord] = [await redis.pTTL(key), await claimRecord(redis, key).lifeMs()]
  expect(ofResult).toBeLessThanOrEqual(150_000)
  // The result is never gone before the record, which would say then that the job is in flight.
  expect(ofResult).toBeGreaterThanOrEqual(ofRecord)
  expect(ofRecord).toBeGreaterThan(100_000)
})

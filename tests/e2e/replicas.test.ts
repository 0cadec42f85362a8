import { expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import { generate } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { startGatewayProgram, startWorkerProgram } from '../support/program.ts'
import { LinkProxy } from '../support/proxy.ts'
import { claimRecord } from '../support/record.ts'
import { freshSettings, startPlainWorker, testChannel, testRedis } from '../support/scene.ts'
import type { Reply } from '../support/http-client.ts'
import type { Settings } from '../support/scene.ts'

/** Two gateways as processes on the same queue and keys. */
async function startReplicas(settings: Settings, ofFirst: Settings = {}) {
  const [first, second] = await Promise.all([
    startGatewayProgram({ ...settings, ...ofFirst }),
    startGatewayProgram(settings),
  ])
  return { first, second }
}

test('a replica killed between claim and publish is taken over, also by a request that waits already', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '15' }
  const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
  onTestFinished(() => proxy.close())
  const RABBIT_MQ_URL = await proxy.open()
  const { first, second } = await startReplicas(settings, { RABBIT_MQ_URL })
  const redis = await testRedis()
  // What the first replica publishes from here on never reaches the broker.
  proxy.faults.toServer.blackHole = true
  generate(first.url, 'c-1', 'x').catch(() => {})
  const claim = claimRecord(redis, `${settings.REDIS_PREFIX}:c-1`)
  const run = await eventually('the first has claimed it', () => claim.run())
  const waiting = generate(second.url, 'c-1', 'x')
  await first.end('SIGKILL')

  const worker = await startPlainWorker(settings, ({ content }) => content)
  expect((await waiting).body).toEqual({ content: 'x' })
  expect(worker.tasks).toEqual([{ id: 'c-1', run, content: 'x' }])
  expect((await generate(second.url, 'c-1', 'x')).headers.get('idempotent-replayed')).toBe('true')
})

test('a refused publish releases the claim, and a request that joined it on another replica is not stranded', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '15' }
  const { QUEUE_NAME: queue, REDIS_PREFIX: prefix } = settings
  const [channel, redis] = [await testChannel(), await testRedis()]
  // A queue that is full refuses whatever comes next.
  await channel.assertQueue(queue, {
    durable: false,
    arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
  })
  channel.sendToQueue(queue, Buffer.from('in the way'))
  const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
  onTestFinished(() => proxy.close())
  const RABBIT_MQ_URL = await proxy.open()
  const { first, second } = await startReplicas(settings, { RABBIT_MQ_URL })
  const claim = claimRecord(redis, `${prefix}:c-2`)

  const refused = await generate(first.url, 'c-2', 'x')
  expect(refused.body).toMatchObject({ status: 503, code: 'queue_full', job_id: 'c-2' })
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await claim.exists()).toBe(false)

  // Once more, but now the refusal comes only after another replica has joined.
  const refusal = closedGate()
  proxy.faults.toClient = { until: refusal.opened }
  const first2 = generate(first.url, 'c-2', 'x')
  await eventually('the first has claimed it', () => claim.exists())
  const joined = generate(second.url, 'c-2', 'x')
  const joins = 'gateway_claims_total{result="joined"}'
  await eventually('it has joined', async () => (await metricsOf(second.url))[joins] === 1)
  refusal.open()
  expect((await first2).body.code).toBe('queue_full')
  await channel.purgeQueue(queue)
  const message = await eventually('the message of the second', () => channel.get(queue))
  expect(message.properties.messageId).toBe('c-2')
  await redis.set(`${prefix}:c-2`, '{"content":"x"}')
  expect((await joined).body).toEqual({ content: 'x' })
})

test('a reused id is a new run after success with another payload, after failure and after expiry', async () => {
  const settings = { ...freshSettings(), JOB_TTL_S: '1' }
  const { first, second } = await startReplicas(settings)
  const stub = await startWorkerProgram(settings)
  const succeeded = await generate(first.url, 'c-3', 'one')
  expect(succeeded.body).toEqual({ content: 'echo: one' })
  expect((await generate(second.url, 'c-3', 'two')).body).toEqual({ content: 'echo: two' })

  await stub.end('SIGTERM')
  const failing = await startWorkerProgram({ ...settings, ECHO_FAILURE_RATE: '1' })
  const failure = { status: 502, code: 'worker_failed' }
  expect((await generate(first.url, 'c-4', 'x')).body).toMatchObject(failure)
  await failing.end('SIGTERM')

  const expired = await generate(first.url, 'c-5', 'x')
  expect(expired.body).toMatchObject({ status: 504, code: 'job_expired', job_id: 'c-5' })

  await startWorkerProgram(settings)
  for (const id of ['c-4', 'c-5']) {
    const again = await generate(second.url, id, 'x')
    expect(again.body).toEqual({ content: 'echo: x' })
    expect(again.headers.has('idempotent-replayed')).toBe(false)
  }
})

test('a late result of an earlier run from the stub neither answers nor blocks the later one', async () => {
  const settings = freshSettings()
  // Only the old run is to expire, however slow the machine is.
  const { first, second } = await startReplicas(settings, { JOB_TTL_S: '1' })
  const one = { ...settings, WORKER_CONCURRENCY: '1' }
  const slow = await startWorkerProgram({ ...one, ECHO_DELAY_MS: '3000' })
  expect((await generate(first.url, 'c-6', 'old')).body.code).toBe('job_expired')
  // The slow stub still runs the old payload and takes no other; it ends while the new one is in flight.
  const answered = generate(second.url, 'c-6', 'new')
  await startWorkerProgram({ ...one, ECHO_DELAY_MS: '700' })
  expect((await answered).body).toEqual({ content: 'echo: new' })
  const done = await slow.log.until('job.done')
  expect(done).toMatchObject({ job: 'c-6', written: 'stale' })
  expect((await generate(second.url, 'c-6', 'new')).body).toEqual({ content: 'echo: new' })
})

test('a late result of an earlier run that names its run is dropped, and the true one is answered', async () => {
  const settings = { ...freshSettings(), JOB_TTL_S: '1' }
  const { first, second } = await startReplicas(settings)
  const redis = await testRedis()
  const key = `${settings.REDIS_PREFIX}:c-7`
  const worker = await startPlainWorker(settings, async ({ content, run }) => {
    if (content === 'new') {
      // The earlier run ends first, with a plain SET over the value that is there.
      const [earlier] = worker.tasks
      await redis.set(key, JSON.stringify({ content: 'from the old run', run: earlier?.run }))
      await eventually('it is removed', async () => (await redis.exists(key)) === 0)
      await redis.set(key, JSON.stringify({ content: 'from the new run', run }))
    }
    return undefined
  })
  expect((await generate(first.url, 'c-7', 'old')).body.code).toBe('job_expired')
  expect((await generate(second.url, 'c-7', 'new')).body).toEqual({ content: 'from the new run' })
})

test('a late result that names no run can be taken for the later run’s: the gap README documents', async () => {
  const settings = { ...freshSettings(), JOB_TTL_S: '1' }
  const { first, second } = await startReplicas(settings)
  const worker = await startPlainWorker(settings, async ({ content }) => {
    if (content === 'new') return undefined
    await eventually('the new run is under way', () => worker.tasks.length === 2)
    return 'from the old run'
  })
  expect((await generate(first.url, 'c-8', 'old')).body.code).toBe('job_expired')
  const reply: Reply = await generate(second.url, 'c-8', 'new')
  expect(reply.body).toEqual({ content: 'from the old run' })
})

test('a reused id whose earlier result came in time is not answered with it', async () => {
  const settings = freshSettings()
  const { first, second } = await startReplicas(settings)
  await startPlainWorker(settings, ({ content }) => `answer to ${content}`)
  expect((await generate(first.url, 'c-9', 'old')).body).toEqual({ content: 'answer to old' })
  expect((await generate(second.url, 'c-9', 'new')).body).toEqual({ content: 'answer to new' })
})

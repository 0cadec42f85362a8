import { expect, test } from 'vitest'
import { dialectScene } from '../support/dialects.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents } from '../support/events.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { counted, metricsOf } from '../support/metrics.ts'
import { saidOf } from '../support/proxy.ts'
import { redisProxy } from '../support/worker-stub.ts'
import type { LinkFaults } from '../support/proxy.ts'

const statusOf = (status: string, error: object | null = null): string =>
  JSON.stringify({ status, last_update: '', status_message: null, is_completed: false, error })

async function scene(more: Record<string, string> = {}) {
  const { redis, channel, settings, ...rest } = await dialectScene('protollm-v1.1', more)
  const { statusKey, answerKey, gateway } = rest
  const setStatus = (id: string, status: string, error?: object) =>
    redis.set(statusKey(id), statusOf(status, error))
  const answer = (id: string, result: string) =>
    redis.set(answerKey(id), JSON.stringify({ result }))
  const view = async (id: string) => (await ask(`${gateway.url}/jobs/${id}`, 'GET')).body.status
  return { ...rest, redis, channel, settings, setStatus, answer, view }
}

test('its status stands before the message, and lives longer than that', async () => {
  const { id, take, redis, statusKey, gateway } = await scene({ JOB_TTL_S: '60' })
  await submit(gateway.url, { content: 'made here' })
  await submit(gateway.url, { job_id: id('x'), content: 'x', priority: 4 })
  const [made, chosen] = [await take(), await take()].toSorted(
    (a, b) => a.properties.priority - b.properties.priority,
  )
  expect(made?.properties.priority).toBe(1)
  expect(chosen?.properties.priority).toBe(4)
  const expires = Number(chosen?.properties.expiration)
  expect(expires).toBeLessThanOrEqual(60_000)
  expect(await redis.pTTL(statusKey(id('x')))).toBeGreaterThan(expires)
  expect(JSON.parse(String(await redis.get(`prompt:${id('x')}`)))).toMatchObject({ priority: 4 })
  expect(await redis.get(statusKey(String(made?.properties.messageId)))).toContain('"pending"')
})

test('completed without an answer is no end', async () => {
  const { id, take, setStatus, answer, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  await setStatus(id('x'), 'in_progress')
  await setStatus(id('x'), 'completed')
  // The gateway answers with the status that it read last, and a read may still be on its way.
  const status = await eventually('it has begun', async () => {
    const joined = await submit(gateway.url, { job_id: id('x'), content: 'x' })
    return joined.body.status !== 'queued' && joined.body.status
  })
  expect(status).toBe('running')
  await answer(id('x'), 'fine')
  expect(await waiting).toMatchObject({ status: 200, body: { content: 'fine' } })
})

test('an error that only the status tells is a 502 with its message', async () => {
  const { id, take, setStatus, redis, statusKey, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  await setStatus(id('x'), 'error', { type: 'Exception', msg: 'Simulated processing error' })
  const { status, body } = await waiting
  expect({ status, code: body.code }).toEqual({ status: 502, code: 'worker_failed' })
  expect(body.detail).toContain('Simulated processing error')
  await eventually('it will go', async () => (await redis.pTTL(statusKey(id('x')))) > 0)
})

test('pending and in_progress are told as they happen, by view and by events', async () => {
  const { id, take, setStatus, answer, view, gateway } = await scene()
  await submit(gateway.url, { job_id: id('x'), content: 'x' })
  const events = await readEvents(`${gateway.url}/jobs/${id('x')}/events`)
  expect(await view(id('x'))).toBe('queued')
  await take()
  await setStatus(id('x'), 'in_progress')
  expect(await view(id('x'))).toBe('running')
  await setStatus(id('x'), 'completed')
  expect(await view(id('x'))).toBe('running')
  await answer(id('x'), 'fine')
  expect(await view(id('x'))).toBe('succeeded')
  const told = (await events.all()).map(({ event, data }) => [event, data.status])
  expect(told.filter(([event]) => event === 'status')).toEqual([
    ['status', 'queued'],
    ['status', 'running'],
  ])
  expect(told.at(-1)?.[0]).toBe('done')
})

test('a claim whose replica died before the publish is taken over, although its status exists', async () => {
  const { id, take, claim, answer, view, gateway } = await scene()
  const body = { job_id: id('x'), content: 'x' }
  await submit(gateway.url, body)
  await take()
  // As if that replica had died between the claim and the publish, more than the grace ago.
  await claim(id('x')).abandon(60_000)
  expect((await submit(gateway.url, body)).status).toBe(202)
  expect((await take()).properties.messageId).toBe(id('x'))
  await answer(id('x'), 'fine')
  expect(await view(id('x'))).toBe('succeeded')
})

test('a new run begins with a status of its own, and without the old answer', async () => {
  const { id, take, setStatus, answer, redis, statusKey, answerKey, gateway } = await scene()
  const failed = generate(gateway.url, id('x'), 'x')
  await take()
  await setStatus(id('x'), 'error', { type: 'Exception', msg: 'no' })
  expect((await failed).status).toBe(502)
  await answer(id('x'), 'stale')
  const again = generate(gateway.url, id('x'), 'x')
  await take()
  expect(await redis.get(answerKey(id('x')))).toBeNull()
  expect(await redis.get(statusKey(id('x')))).toContain('"pending"')
  await answer(id('x'), 'fresh')
  expect(await again).toMatchObject({ status: 200, body: { content: 'fresh' } })
})

test('a publish that is refused leaves the status for the message of an earlier run', async () => {
  const { id, redis, channel, settings, statusKey, gateway } = await scene({
    REQUIRE_WORKERS: 'true',
  })
  const { consumerTag } = await channel.consume(settings.QUEUE_NAME, () => {})
  await submit(gateway.url, { job_id: id('x'), content: 'x' })
  await ask(`${gateway.url}/jobs/${id('x')}`, 'DELETE')
  await channel.cancel(consumerTag)
  const workers = `gateway_queue_workers{queue="${settings.QUEUE_NAME}"}`
  await eventually('the queue has no worker', async () => {
    return (await metricsOf(gateway.url))[workers] === 0
  })
  expect((await generate(gateway.url, id('x'), 'x')).body.code).toBe('no_workers')
  expect(await redis.pTTL(statusKey(id('x')))).toBeGreaterThan(0)
})

test('what a worker writes after its job’s life, or a second time, is swept', async () => {
  const { id, take, setStatus, answer, redis, statusKey, answerKey, gateway } = await scene({
    TIMEOUT: '1',
    JOB_TTL_S: '1',
    // The second writes below and a pass of the sweep must come while the records live, on a busy machine too.
    RESULT_TTL_S: '9',
  })
  const [late, twice] = [id('late'), id('twice')]
  await submit(gateway.url, { job_id: late, content: 'x' })
  const answered = generate(gateway.url, twice, 'x')
  for (const _ of [late, twice]) await take()
  await answer(twice, 'fine')
  expect((await answered).status).toBe(200)
  await setStatus(late, 'in_progress')
  await setStatus(twice, 'in_progress')
  await eventually('the life of both is over', async () => (await redis.pTTL(statusKey(late))) > 0)
  for (const job of [late, twice]) {
    await setStatus(job, 'completed')
    await answer(job, 'fine')
  }
  await eventually(
    'everything has gone',
    async () => {
      const keys = [late, twice].flatMap((job) => [statusKey(job), answerKey(job)])
      return (await redis.exists(keys)) === 0
    },
    30_000,
  )
}, 60_000)

test('what the claim itself writes for the worker is no reason to read', async () => {
  const proxy = await redisProxy()
  const data: LinkFaults = { toServer: {}, toClient: {} }
  proxy.faultsOf = (first) => (first.includes('protollm-data') ? data : proxy.faults)
  const { id, take, answer, statusKey, gateway } = await scene({ REDIS_URL: proxy.url })
  const reads = () => counted(gateway.url, 'gateway_result_reads_total')
  // On two connections any order is possible. In this one the gateway hears of the write before it knows its run.
  const { subscribed, set } = saidOf(statusKey(id('x')))
  data.toServer = { until: proxy.said(subscribed) }
  data.toClient = { until: proxy.said(set) }
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  expect(await reads()).toBe(0)
  await answer(id('x'), 'fine')
  expect((await waiting).status).toBe(200)
  expect(await reads()).toBe(1)
})

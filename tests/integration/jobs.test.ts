import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { startGateway, startPlainWorker } from '../support/scene.ts'
import { redisProxy } from '../support/worker-stub.ts'
import type { LinkFaults } from '../support/proxy.ts'

const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

describe('POST /jobs', () => {
  test('answers as soon as the job is accepted, and any replica tells how it stands', async () => {
    const { settings, gateway, answer } = await jobScene()
    const other = await startGateway(settings)
    const { status, headers, body } = await submit(gateway.url, { content: 'x' })
    const { job_id: id } = body
    expect(status).toBe(202)
    expect(id).toMatch(UUID_V7)
    expect(headers.get('location')).toBe(`jobs/${id}`)
    const queued = {
      job_id: id,
      status: 'queued',
      created_at: TIME,
      finished_at: null,
      outcome: null,
    }
    expect(body).toEqual(queued)
    expect((await ask(`${other.url}/jobs/${id}`, 'GET')).body).toEqual(queued)
    await answer(id, {
      content: 'fine',
      model: 'm',
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    })
    const ended = await ask(`${other.url}/jobs/${id}`, 'GET')
    expect(ended.body).toEqual({
      ...queued,
      status: 'succeeded',
      finished_at: TIME,
      outcome: { content: 'fine', model: 'm', usage: { prompt_tokens: 1, completion_tokens: 2 } },
    })
    expect((await ask(`${gateway.url}/jobs/${id}`, 'GET')).body).toEqual(ended.body)
    expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
  })

  test('holds for as long as is preferred, and answers with the outcome', async () => {
    const { settings, redis, key, gateway } = await jobScene()
    await startPlainWorker(settings, async ({ id, content }) => {
      // A result before the subscription is found without a notification, and has other stages.
      const channel = `__keyspace@0__:${key(id)}`
      await eventually('the gateway listens', async () => {
        return (await redis.pubSubNumSub(channel))[channel] === 1
      })
      return `echo: ${content}`
    })
    const { status, headers, body } = await submit(
      gateway.url,
      { content: 'x' },
      { prefer: 'wait=5' },
    )
    expect(status).toBe(200)
    expect(headers.get('preference-applied')).toBe('wait=5')
    expect(headers.get('server-timing')).toMatch(/arm;.*queue;.*read;.*total;/)
    expect(body).toMatchObject({ status: 'succeeded', outcome: { content: 'echo: x' } })
    expect((await ask(`${gateway.url}/jobs/${body.job_id}`, 'GET')).body.outcome).toEqual(
      body.outcome,
    )
  })

  test.each(['wait=1', 'wait=0'])('%s over, it says where to ask', async (prefer) => {
    const { gateway, claim, depth } = await jobScene()
    const { status, body } = await submit(gateway.url, { content: 'x' }, { prefer })
    expect({ status, state: body.status }).toEqual({ status: 202, state: 'queued' })
    expect(await claim(body.job_id).run()).toBeTruthy()
    await eventually('one message', async () => (await depth()) === 1)
    expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
  })

  test('a result faster than the subscription is found', async () => {
    const { settings, gateway } = await jobScene()
    await startPlainWorker(settings, ({ content }) => content)
    const contents = Array.from({ length: 300 }, (_, index) => `prompt ${index}`)
    const replies = await Promise.all(
      contents.map((content) => submit(gateway.url, { content }, { prefer: 'wait=9' })),
    )
    expect(replies.map(({ body }) => body.outcome?.content)).toEqual(contents)
    expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
  })

  test('the same Idempotency-Key joins and replays, and is refused for another payload', async () => {
    const { settings, gateway, answer, depth } = await jobScene()
    const other = await startGateway(settings)
    const headers = { 'idempotency-key': 'order 7' }
    const [first, second] = await Promise.all(
      [gateway, other].map(({ url }) => submit(url, { content: 'x' }, headers)),
    )
    expect(second?.body.job_id).toBe(first?.body.job_id)
    expect(await depth()).toBe(1)
    const id = first?.body.job_id as string
    const conflict = await submit(gateway.url, { content: 'y' }, headers)
    expect({ status: conflict.status, code: conflict.body.code }).toEqual({
      status: 422,
      code: 'idempotency_conflict',
    })
    await answer(id, { content: 'fine' })
    const replay = await submit(other.url, { content: 'x' }, { ...headers, prefer: 'wait=5' })
    expect(replay.body).toMatchObject({
      job_id: id,
      status: 'succeeded',
      outcome: { content: 'fine' },
    })
    expect(replay.headers.get('idempotent-replayed')).toBe('true')
    expect((await submit(other.url, { content: 'y' }, headers)).status).toBe(422)
    expect(await depth()).toBe(1)
  })

  test('an id made of an Idempotency-Key stands for its payload alone, also where a client names it', async () => {
    const { gateway, answer } = await jobScene()
    const headers = { 'idempotency-key': 'order 9' }
    const { body } = await submit(gateway.url, { content: 'x' }, headers)
    const { job_id } = body
    await answer(job_id, { content: 'fine' })
    const seed = (content: string) =>
      ask(`${gateway.url}/generate`, 'POST', { job_id, meta: {}, content })
    for (const other of [seed('y'), submit(gateway.url, { job_id, content: 'y' })]) {
      const { status, body: problem } = await other
      expect({ status, code: problem.code }).toEqual({ status: 409, code: 'job_conflict' })
    }
    expect((await seed('x')).body).toEqual({ content: 'fine' })
    const again = await submit(gateway.url, { content: 'x' }, headers)
    expect(again.body).toMatchObject({ job_id, outcome: { content: 'fine' } })
  })

  test('the end is answered at once, also to a client that does not wait', async () => {
    const { gateway, answer } = await jobScene()
    const headers = { 'idempotency-key': 'order 8' }
    const { body } = await submit(gateway.url, { content: 'x' }, headers)
    await answer(body.job_id, { content: 'fine' })
    for (const _ of [1, 2]) {
      const again = await submit(gateway.url, { content: 'x' }, headers)
      expect(again.status).toBe(200)
      expect(again.body).toMatchObject({ status: 'succeeded', outcome: { content: 'fine' } })
      expect(again.headers.get('idempotent-replayed')).toBe('true')
    }
  })

  test('a job that expires while it is waited for is answered as such', async () => {
    const { gateway } = await jobScene()
    const over = await submit(gateway.url, { content: 'x', ttl: 1 }, { prefer: 'wait=9' })
    expect({ status: over.status, state: over.body.status }).toEqual({
      status: 200,
      state: 'expired',
    })
  })

  test('also where Redis, which was slow to take its claim, has not come to its end yet', async () => {
    const proxy = await redisProxy()
    const data: LinkFaults = { toServer: {}, toClient: {} }
    proxy.faultsOf = (first) => (first.includes('protollm-data') ? data : proxy.faults)
    const { gateway } = await jobScene({ REDIS_URL: proxy.url })
    // Later than the gateway, by whose clock the job's life has begun.
    data.toServer = { until: delay(400) }
    const over = await submit(gateway.url, { content: 'x', ttl: 1 }, { prefer: 'wait=9' })
    expect(over.status).toBe(200)
    expect(over.body).toMatchObject({ status: 'expired', outcome: null })
  })

  test('a shorter life is the message’s and the job’s', async () => {
    const { gateway, channel, settings } = await jobScene()
    const { body } = await submit(gateway.url, { content: 'x', ttl: 1 })
    const message = await eventually('its message', () => channel.get(settings.QUEUE_NAME))
    expect(message && Number(message.properties.expiration)).toBeLessThanOrEqual(1_000)
    const held = await ask(`${gateway.url}/jobs/${body.job_id}`, 'GET', undefined, {
      prefer: 'wait=8',
    })
    expect(held.body).toMatchObject({ status: 'expired', outcome: null })
  })

  test('says everything that is wrong with a request', async () => {
    const { gateway } = await jobScene()
    const bad = await submit(
      gateway.url,
      { content: 'x', queue_name: 'other', ttl: 99_999, job_id: 'mine' },
      { 'idempotency-key': 'k' },
    )
    expect(bad.status).toBe(422)
    const places = (bad.body.detail as { loc: string[] }[]).map(({ loc }) => loc.join('.'))
    expect(places).toEqual(['body.queue_name', 'body.ttl', 'body.job_id'])
    const neither = await submit(gateway.url, { meta: {} })
    expect(neither.body.detail).toMatchObject([{ type: 'value_error', loc: ['body'] }])
  })

  test('the client’s own id joins the job of the seed’s routes', async () => {
    const { gateway, answer } = await jobScene()
    await submit(gateway.url, { job_id: 'own', content: 'x' })
    const waiting = generate(gateway.url, 'own', 'x')
    await answer('own', { content: 'fine' })
    expect((await waiting).body).toEqual({ content: 'fine' })
  })
})

describe('GET /jobs/{id}', () => {
  test('is held until the job ends, also on another replica, and no longer than preferred', async () => {
    const { settings, gateway, answer } = await jobScene()
    const other = await startGateway(settings)
    const { body } = await submit(gateway.url, { content: 'x' })
    const url = `${other.url}/jobs/${body.job_id}`
    const short = await ask(url, 'GET', undefined, { prefer: 'wait=1' })
    expect(short.body.status).toBe('queued')
    expect(short.headers.get('preference-applied')).toBe('wait=1')
    const held = ask(url, 'GET', undefined, { prefer: 'wait=9' })
    await eventually('it is held', () => other.load().pending === 1)
    await answer(body.job_id, { error: { type: 'E', message: 'm' } })
    expect((await held).body).toMatchObject({
      status: 'failed',
      finished_at: TIME,
      outcome: { error: { type: 'E', message: 'm' } },
    })
    expect(other.load()).toEqual({ pending: 0, subscriptions: 1 })
  })

  test('an id that no client has asked for is a 404, as is what no id can be', async () => {
    const { gateway, redis, key } = await jobScene()
    await redis.set(key('orphan'), '{"content":"of no job"}')
    for (const id of ['unknown', 'orphan', 'a%20b', '%7Bx%7D']) {
      const { status, body } = await ask(`${gateway.url}/jobs/${id}`, 'GET')
      expect({ status, code: body.code }).toEqual({ status: 404, code: 'not_found' })
    }
  })

  test('an unreadable result is a failure, another run’s is none', async () => {
    const { gateway, answer, redis, key } = await jobScene()
    const { body: first } = await submit(gateway.url, { content: 'x' })
    await redis.set(key(first.job_id), 'not JSON')
    const unreadable = await ask(`${gateway.url}/jobs/${first.job_id}`, 'GET')
    expect(unreadable.body).toMatchObject({
      status: 'failed',
      outcome: { error: { type: 'bad_result' } },
    })
    const { body: second } = await submit(gateway.url, { content: 'x' })
    await answer(second.job_id, { content: 'late', run: 'an earlier one' })
    const url = `${gateway.url}/jobs/${second.job_id}`
    expect((await ask(url, 'GET')).body.status).toBe('queued')
    expect(await redis.get(key(second.job_id))).toBe(null)
    await answer(second.job_id, { content: 'late', run: 'an earlier one' })
    const third = await ask(`${gateway.url}/jobs/${second.job_id}`, 'DELETE')
    expect(third.body.status).toBe('cancelled')
  })

  test('a late result of another run does not undo one that was read', async () => {
    const { gateway, answer } = await jobScene()
    const { body: second } = await submit(gateway.url, { content: 'x' })
    const url = `${gateway.url}/jobs/${second.job_id}`
    await answer(second.job_id, { content: 'true' })
    expect((await ask(url, 'GET')).body.outcome).toEqual({ content: 'true' })
    await answer(second.job_id, { content: 'late', run: 'an earlier one' })
    for (const _ of [1, 2]) {
      const { headers, body } = await ask(url, 'GET')
      expect(body.status).toBe('succeeded')
      expect(headers.get('x-job-id')).toBe(second.job_id)
    }
  })
})

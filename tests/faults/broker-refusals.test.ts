import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { partsOf, problemsOf } from '../support/readiness.ts'
import { freshSettings, isReady, startGateway, testChannel, testRedis } from '../support/scene.ts'
import { rabbitmqOfFile } from '../support/servers.ts'
import { claimRecord } from '../support/record.ts'
import { startWorker } from '../support/worker-stub.ts'
import { unready } from './support/fault-scene.ts'
import type { Settings } from '../support/scene.ts'

const LIMIT = 1_048_576

const rabbitmq = rabbitmqOfFile(async (server) => {
  const set = `application:set_env(rabbit, max_message_size, ${LIMIT})`
  await server.control('eval', `${set}, persistent_term:put(max_message_size, ${LIMIT}).`)
  await server.control('add_user', 'narrow', 'pw')
  await server.control('set_permissions', 'narrow', '.*', '', '.*')
})

const settingsOf = (more: Settings = {}) => ({
  ...freshSettings(),
  RABBIT_MQ_URL: rabbitmq().url,
  MAX_BODY_BYTES: '8388608',
  ...more,
})

describe('a message larger than the broker takes', () => {
  test('is a 413 that no client repeats, and the jobs beside it notice nothing', async () => {
    const settings = settingsOf({ WORKER_CONCURRENCY: '128' })
    const gateway = await startGateway(settings)
    const ran: string[] = []
    await startWorker(settings, {
      run: async (job) => {
        ran.push(job.id)
        return { kind: 'succeeded', content: job.id }
      },
    })
    const small = Array.from({ length: 104 }, (_, index) =>
      generate(gateway.url, `m-${index}`, 'x'),
    )
    const large = await generate(gateway.url, 'large', 'x'.repeat(2 * LIMIT))
    expect([large.status, large.body.code]).toEqual([413, 'message_too_large'])
    expect(large.headers.get('retry-after')).toBeNull()
    expect(large.body.detail).toContain(String(LIMIT))
    const replies = await Promise.all(small)
    expect(replies.map(({ body }) => body.content)).toEqual(replies.map((_, index) => `m-${index}`))
    expect(ran).toHaveLength(104)
    expect((await ask(`${gateway.url}/jobs/large`, 'GET')).status).toBe(404)
  })

  test('is refused before it is published, once the limit is known, for every client', async () => {
    const settings = settingsOf()
    const gateway = await startGateway(settings)
    await startWorker(settings)
    for (const id of ['1', '2']) {
      const { status } = await generate(gateway.url, id, 'x'.repeat(LIMIT))
      expect(status).toBe(413)
    }
    const asked = await submit(gateway.url, { content: 'x'.repeat(LIMIT + 1) })
    expect([asked.status, asked.body.code]).toEqual([413, 'message_too_large'])
    expect(gateway.log.named('broker.channel_closed')).toHaveLength(1)
    expect((await metricsOf(gateway.url))['gateway_publish_total{result="too_large"}']).toBe(3)
    // What is below the limit passes, also beside one another.
    const almost = 'x'.repeat(LIMIT - 2_000)
    const replies = await Promise.all(
      ['3', '4', '5'].map((id) => generate(gateway.url, id, almost)),
    )
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test('and several at once: each is a 413, also where all are the first', async () => {
    const gateway = await startGateway(settingsOf())
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        generate(gateway.url, `s-${index}`, 'x'.repeat(LIMIT + index)),
      ),
    )
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 413))
    expect(gateway.log.named('broker.channel_closed')).toHaveLength(1)
  })
})

describe('a broker that falls silent', () => {
  test('the request that meets it knows after 5 s that its acceptance is unknown', async () => {
    const settings = settingsOf({ TIMEOUT: '30' })
    const gateway = await startGateway(settings)
    rabbitmq().pause()
    const started = performance.now()
    try {
      const { body, headers } = await generate(gateway.url, 'silent', 'x')
      expect([body.status, body.code]).toEqual([503, 'acceptance_unknown'])
      expect(headers.get('retry-after')).toBe('1')
      expect(performance.now() - started).toBeLessThan(8_000)
      await unready(gateway.url)
    } finally {
      rabbitmq().resume()
    }
    await eventually('it is ready', () => isReady(gateway.url))
    // The late confirm is written down: the same request joins the job.
    const claim = claimRecord(await testRedis(), `${settings.REDIS_PREFIX}:silent`)
    await eventually('it is published', async () => (await claim.state()) === 'published')
  }, 30_000)
})

describe('what only an operator can mend', () => {
  test('a login that may not publish: 503 with the reason, without retry-after, until it may', async () => {
    const url = rabbitmq().url.replace('guest:guest', 'narrow:pw')
    const settings = settingsOf({ RABBIT_MQ_URL: url })
    const gateway = await startGateway(settings, { untilReady: false })
    await eventually('it says so', async () =>
      (await problemsOf(gateway.url)).includes('ACCESS_REFUSED'),
    )
    await gateway.log.until('push.ready')
    const { status, headers, body } = await generate(gateway.url, 'n-1', 'x')
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'broker_down', null])
    expect(body.detail).toContain('ACCESS_REFUSED')
    await rabbitmq().control('set_permissions', 'narrow', '.*', '.*', '.*')
    await eventually('it is ready', () => isReady(gateway.url))
  }, 30_000)

  test('a wrong password: the log names server and login, and no password', async () => {
    const url = rabbitmq().url.replace('guest:guest', 'guest:canary')
    const gateway = await startGateway(settingsOf({ RABBIT_MQ_URL: url }), { untilReady: false })
    const { port } = new URL(url)
    expect(await gateway.log.until('broker.connect_failed')).toMatchObject({
      server: `127.0.0.1:${port}`,
      user: 'guest',
    })
    await gateway.log.until('push.ready')
    const { headers, body } = await generate(gateway.url, 'n-2', 'x')
    expect([body.code, headers.get('retry-after')]).toEqual(['broker_down', null])
    expect(JSON.stringify(gateway.log.all)).not.toContain('canary')
  })
})

test('a queue in which jobs wait for a worker is a warning, and numbers in /readyz', async () => {
  const settings = settingsOf({ TIMEOUT: '0.1' })
  const gateway = await startGateway(settings)
  await generate(gateway.url, 'w-1', 'x')
  const { QUEUE_NAME: queue } = settings
  expect(await gateway.log.until('queue.no_workers')).toMatchObject({
    level: 'warn',
    queue,
    waiting: 1,
  })
  const { broker } = await partsOf(gateway.url)
  expect(broker).toMatchObject({ ready: true, queues: [{ queue, workers: 0, waiting: 1 }] })
  const channel = await testChannel(rabbitmq().url)
  await channel.consume(queue, () => {})
  await eventually('its worker is seen', async () => {
    return (await partsOf(gateway.url)).broker?.queues?.[0]?.workers === 1
  })
  expect(gateway.log.named('queue.no_workers')).toHaveLength(1)
})

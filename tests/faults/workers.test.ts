import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'amqplib'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { startWorkerProgram } from '../support/program.ts'
import { LinkProxy } from '../support/proxy.ts'
import { claimRecord } from '../support/record.ts'
import {
  freshSettings,
  startGateway,
  startPlainWorker,
  testChannel,
  testRedis,
} from '../support/scene.ts'
import { speaker, startWorker, untilAborted } from '../support/worker-stub.ts'

describe('F18 a result that is', () => {
  test('written twice is answered once, and the second write wakes no request', async () => {
    const settings = freshSettings()
    const [redis, gateway] = [await testRedis(), await startGateway(settings)]
    const key = `${settings.REDIS_PREFIX}:twice`
    await startPlainWorker(settings, () => 'first')
    expect((await generate(gateway.url, 'twice', 'x')).body).toEqual({ content: 'first' })
    await redis.set(key, '{"content":"second"}')
    // Its event comes after the one of that write, on the same connection.
    expect((await generate(gateway.url, 'next', 'x')).status).toBe(200)
    const wakeups = 'gateway_result_wakeups_total{source="notification"}'
    expect((await metricsOf(gateway.url))[wakeups]).toBe(2)
  })

  test('for an id that no client has asked for disturbs no request, and is not taken for an answer', async () => {
    const settings = freshSettings()
    const [redis, gateway] = [await testRedis(), await startGateway(settings)]
    await redis.set(`${settings.REDIS_PREFIX}:unknown`, '{"content":"who asked?"}', { EX: 60 })
    await startPlainWorker(settings, ({ content }) => content)
    expect((await generate(gateway.url, 'known', 'x')).body).toEqual({ content: 'x' })
    expect((await generate(gateway.url, 'unknown', 'mine')).body).toEqual({ content: 'mine' })
  })

  test('gone again before it is read is counted, and waited for', async () => {
    const settings = freshSettings()
    const [redis, gateway] = [await testRedis(), await startGateway(settings)]
    await startPlainWorker(settings, async ({ id }) => {
      const key = `${settings.REDIS_PREFIX}:${id}`
      await redis.multi().set(key, '{"content":"gone"}').del(key).exec()
      await eventually('the loss is counted', async () => {
        return (await metricsOf(gateway.url)).gateway_results_lost_total === 1
      })
      return 'again'
    })
    expect((await generate(gateway.url, 'gone', 'x')).body).toEqual({ content: 'again' })
  })

  test('50 MB large is a 502, and others are answered meanwhile', async () => {
    const settings = freshSettings()
    const [redis, gateway] = [await testRedis(), await startGateway(settings)]
    await startPlainWorker(settings, async ({ id, content }) => {
      if (id !== 'large') return content
      await redis.set(`${settings.REDIS_PREFIX}:large`, 'x'.repeat(50_000_000))
      return undefined
    })
    const large = generate(gateway.url, 'large', 'x')
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, index) => generate(gateway.url, `small-${index}`, 'x')),
    )
    expect(others.every(({ status }) => status === 200)).toBe(true)
    expect((await large).body).toMatchObject({ status: 502, code: 'bad_result' })
    await redis.del(`${settings.REDIS_PREFIX}:large`)
  })
})

describe('F19 a poisoned job', () => {
  test('that no worker survives becomes a failed outcome after DELIVERY_LIMIT, others are not held up', async () => {
    const settings = { ...freshSettings(), QUEUE_TYPE: 'quorum', DELIVERY_LIMIT: '2' }
    const gateway = await startGateway(settings)
    const channel = await testChannel()
    onTestFinished(async () => {
      for (const queue of [settings.QUEUE_NAME, `${settings.QUEUE_NAME}.dead`]) {
        await channel.deleteQueue(queue)
      }
    })
    const poisoned = generate(gateway.url, 'poison', 'x')
    let deliveries = 0
    // A worker that dies over it: its connection closes without an acknowledgement.
    while (deliveries < 3) {
      const connection = await connect(inject('services').RABBIT_MQ_URL)
      const victim = await connection.createChannel()
      await eventually('it is delivered', () => victim.get(settings.QUEUE_NAME))
      deliveries += 1
      await connection.close()
    }
    const { status, body } = await poisoned
    expect(status).toBe(502)
    expect(body).toMatchObject({ code: 'worker_failed', job_id: 'poison' })
    expect(body.detail).toContain('none of them finished it')
    expect(deliveries).toBe(3)
    const counted = 'gateway_dead_letters_total{reason="delivery_limit"}'
    expect((await metricsOf(gateway.url))[counted]).toBe(1)
    await startWorkerProgram(settings)
    expect((await generate(gateway.url, 'sound', 'y')).body).toEqual({ content: 'echo: y' })
  }, 60_000)

  test('refused by a worker changes no outcome that stands, and a dead-letter queue that was deleted is made again', async () => {
    const settings = { ...freshSettings(), QUEUE_TYPE: 'quorum' }
    const gateway = await startGateway(settings)
    const channel = await testChannel()
    const dead = `${settings.QUEUE_NAME}.dead`
    const stub = await startWorkerProgram(settings)
    expect((await generate(gateway.url, 'good', 'x')).body).toEqual({ content: 'echo: x' })
    await stub.end('SIGTERM')
    // Of another publisher, who knows of no runs.
    const prompt = { job_id: 'good', meta: {}, messages: [{ role: 'user', content: 'y' }] }
    const task = { id: 'good', kwargs: { prompt, prompt_type: 'chat_completion' } }
    const refuse = async (): Promise<void> => {
      const message = await eventually('a message', () => channel.get(settings.QUEUE_NAME))
      channel.nack(message, false, false)
    }
    const refused = async (): Promise<number | undefined> => {
      return (await metricsOf(gateway.url))['gateway_dead_letters_total{reason="rejected"}']
    }
    channel.sendToQueue(settings.QUEUE_NAME, Buffer.from(JSON.stringify(task)))
    await refuse()
    await eventually('it was dealt with', async () => (await refused()) === 1)
    await eventually('and acknowledged', async () => {
      return (await channel.checkQueue(dead)).messageCount === 0
    })
    expect((await generate(gateway.url, 'good', 'x')).body).toEqual({ content: 'echo: x' })

    await channel.deleteQueue(dead)
    const asked = generate(gateway.url, 'bad', 'x')
    await eventually('it is made again', async () => {
      const other = await testChannel()
      return (await other.checkQueue(dead).catch(() => undefined))?.consumerCount === 1
    })
    await refuse()
    expect((await asked).body).toMatchObject({ status: 502, code: 'worker_failed' })
  })

  test('that a worker refuses is a failed outcome at once', async () => {
    const settings = { ...freshSettings(), QUEUE_TYPE: 'quorum' }
    const gateway = await startGateway(settings)
    const channel = await testChannel()
    const refused = generate(gateway.url, 'refused', 'x')
    const message = await eventually('it is delivered', () => channel.get(settings.QUEUE_NAME))
    channel.nack(message, false, false)
    expect((await refused).body).toMatchObject({ status: 502, code: 'worker_failed' })
  })
})

describe('F25 a rolling restart of the workers', () => {
  test('uses up no delivery of a job: it is answered after more stops than DELIVERY_LIMIT', async () => {
    const settings = {
      ...freshSettings(),
      QUEUE_TYPE: 'quorum',
      DELIVERY_LIMIT: '1',
      TIMEOUT: '25',
    }
    const gateway = await startGateway(settings)
    const channel = await testChannel()
    onTestFinished(async () => {
      for (const queue of [settings.QUEUE_NAME, `${settings.QUEUE_NAME}.dead`]) {
        await channel.deleteQueue(queue)
      }
    })
    const asked = generate(gateway.url, 'long', 'x')
    for (let stop = 0; stop < 5; stop += 1) {
      let hasBegun = (): void => {}
      const begun = new Promise<void>((resolve) => (hasBegun = resolve))
      const endless = speaker((_, signal) => {
        hasBegun()
        return untilAborted(signal)
      })
      const { worker } = await startWorker(settings, endless)
      await begun
      await worker.close(0)
    }
    await startWorker(settings)
    expect((await asked).body).toEqual({ content: 'echo: x' })
    expect(gateway.log.named('job.published_again').length).toBeGreaterThan(0)
    expect(gateway.log.named('job.given_up')).toEqual([])
  })
})

describe('F20 a queue without workers', () => {
  test('is a 504 that says so; with REQUIRE_WORKERS a 503 at once, until one comes', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '1' }
    const patient = await startGateway(settings)
    const strict = await startGateway({ ...settings, REQUIRE_WORKERS: 'true' })
    const { body } = await generate(patient.url, 'waits', 'x')
    expect(body).toMatchObject({ status: 504, code: 'timed_out' })
    expect(body.detail).toContain('no worker takes jobs from queue')
    const refused = await generate(strict.url, 'refused', 'x')
    expect(refused.body).toMatchObject({ status: 503, code: 'no_workers', job_id: 'refused' })
    expect(refused.headers.get('retry-after')).toBe('1')
    const worker = await startPlainWorker(settings, ({ content }) => content)
    expect((await generate(strict.url, 'taken', 'x')).body).toEqual({ content: 'x' })
    expect(worker.tasks.map(({ id }) => id)).not.toContain('refused')
  })

  test('asked for while the broker is slow is refused as it is, and never published after all', async () => {
    const settings = { ...freshSettings(), TIMEOUT: '1', REQUIRE_WORKERS: 'true' }
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const RABBIT_MQ_URL = await proxy.open()
    const gateway = await startGateway({ ...settings, RABBIT_MQ_URL })
    // Its last look has found none; by the time of the answer there is one.
    proxy.faults.toClient.delayMs = 2_000
    const worker = await startPlainWorker(settings, ({ content }) => content)
    const { body } = await generate(gateway.url, 'late', 'x')
    expect(body).toMatchObject({ status: 503, code: 'results_down' })
    const redis = await testRedis()
    const claim = claimRecord(redis, `${settings.REDIS_PREFIX}:late`)
    await eventually('its claim is released', async () => !(await claim.exists()))
    proxy.faults.toClient.delayMs = 0
    expect(worker.tasks).toEqual([])
  })

  test('a slow worker holds up no other request than its own', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    await startPlainWorker(settings, async ({ id, content }) => {
      if (id === 'slow') await delay(2_000)
      return content
    })
    let isOver = false
    const slow = generate(gateway.url, 'slow', 'x').finally(() => (isOver = true))
    const quick = await Promise.all(
      Array.from({ length: 20 }, (_, index) => generate(gateway.url, `quick-${index}`, 'x')),
    )
    expect(isOver).toBe(false)
    expect(quick.every(({ status }) => status === 200)).toBe(true)
    expect((await slow).status).toBe(200)
  })
})

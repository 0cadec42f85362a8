import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { generate } from '../../support/http-client.ts'
import { ownRedis, rabbitmqOfFile } from '../../support/servers.ts'
import { NO_HARM, readyAgain, startFaultScene, unready } from '../support/fault-scene.ts'
import type { FaultOptions } from '../support/fault-scene.ts'

const rabbitmq = rabbitmqOfFile()

async function scene(options: FaultOptions = {}) {
  const redis = await ownRedis()
  const addresses = { RABBIT_MQ_URL: rabbitmq().url, REDIS_URL: redis.url }
  const settings = { ...addresses, ...options.settings }
  const scene = await startFaultScene({ ...options, settings })
  const admin = createClient({ url: redis.url })
  admin.on('error', () => {})
  await admin.connect()
  onTestFinished(() => admin.destroy())
  return { ...scene, redis, admin, url: scene.gateways[0]?.url as string }
}

test('F4 a disk alarm is refused at once as broker_blocked, and nothing is lost', async () => {
  const { url, settle } = await scene()
  await rabbitmq().control('set_disk_free_limit', '10000GB')
  await unready(url)
  expect((await generate(url, randomUUID(), 'x')).body.code).toBe('broker_blocked')
  await rabbitmq().control('set_disk_free_limit', '50MB')
  await readyAgain(url)
  expect(await settle()).toMatchObject({ ...NO_HARM, unknown: 0 })
}, 60_000)

test('F7 a channel closed by the broker is opened again, and what was on it is published again', async () => {
  // Below the size that is taken for safe, so that the message goes by the channel of all others.
  await rabbitmq().control('eval', 'application:set_env(rabbit, max_message_size, 2000).')
  const { url, gateways, settle, counted } = await scene({ settings: { TIMEOUT: '20' } })
  // 406, and the channel is gone with all that was unconfirmed on it.
  const reply = await generate(url, randomUUID(), 'x'.repeat(2_500))
  expect([reply.status, reply.body.code]).toEqual([413, 'message_too_large'])
  await readyAgain(url)
  await delay(1_000)
  const counts = await settle()
  expect(counts).toMatchObject({ ...NO_HARM, unknown: 0 })
  expect(await counted('gateway_publish_total{result="lost"}')).toBeGreaterThan(0)
  const closed = gateways[0]?.log.named('broker.channel_closed') ?? []
  expect(closed.map(({ error }) => error)).toEqual([expect.stringContaining('406')])
  await rabbitmq().control('eval', 'application:set_env(rabbit, max_message_size, 134217728).')
}, 60_000)

describe('F13 a Redis out of memory', () => {
  test('takes no job, loses no outcome of those it had, and is used again when it has some', async () => {
    const { admin, settle, counted } = await scene({ settings: { TIMEOUT: '20' }, workMs: 500 })
    await admin.configSet('maxmemory', '1mb')
    await delay(3_000)
    await admin.configSet('maxmemory', '0')
    await delay(2_000)
    expect(await settle()).toMatchObject(NO_HARM)
    expect(await counted('gateway_rejected_total{reason="results_down"}')).toBeGreaterThan(0)
  }, 60_000)
})

describe('F14 a Redis that evicts', () => {
  test('hangs no request: what is gone is a 504, and runs again', async () => {
    // A claim that stays while its result goes is believed as long as its job may live.
    const settings = { TIMEOUT: '2', JOB_TTL_S: '4' }
    const { admin, settle } = await scene({ settings })
    const used = /used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]
    await admin.configSet('maxmemory-policy', 'allkeys-random')
    await admin.configSet('maxmemory', String(Number(used) + 50_000))
    await eventually('something was evicted', async () => {
      return Number(/evicted_keys:(\d+)/.exec(await admin.info('stats'))?.[1]) > 100
    })
    await admin.configSet('maxmemory', '0')
    expect(await settle({ answeredAfter: performance.now() })).toMatchObject(NO_HARM)
  }, 90_000)
})

describe('F16 a subscriber cut off because it did not read', () => {
  test('comes back and reads what it has missed', async () => {
    const { admin, gateways, settings, settle, counted } = await scene({
      settings: { TIMEOUT: '20' },
    })
    await admin.configSet('client-output-buffer-limit', 'pubsub 1mb 1mb 1')
    const pid = gateways[0]?.pid as number
    process.kill(-pid, 'SIGSTOP')
    // More than the kernel takes on the way.
    const piece = 'x'.repeat(1_000_000)
    await eventually('it is cut off', async () => {
      await admin.publish(`${settings.REDIS_PREFIX}:@push-repaired`, piece)
      const list = await admin.sendCommand<string>(['CLIENT', 'LIST', 'TYPE', 'pubsub'])
      return !list.includes('protollm-subscriber')
    })
    process.kill(-pid, 'SIGCONT')
    await delay(2_000)
    const counts = await settle()
    expect(counts).toMatchObject(NO_HARM)
    expect(await counted('gateway_result_wakeups_total{source="reconcile"}')).toBeGreaterThan(0)
  }, 60_000)
})

test('F19 a job held longer than the broker waits for its acknowledgement has one outcome all the same', async () => {
  const timeouts = [
    'application:set_env(rabbit, consumer_timeout, 2000)',
    'application:set_env(rabbit, channel_tick_interval, 500)',
  ]
  await rabbitmq().control('eval', `${timeouts.join(', ')}.`)
  onTestFinished(async () => {
    await rabbitmq().control('eval', 'application:set_env(rabbit, consumer_timeout, 1800000).')
  })
  const settings = { TIMEOUT: '20' }
  const { settle } = await scene({ settings, workMs: 4_000, ratePerS: 20 })
  await delay(8_000)
  const counts = await settle()
  expect(counts).toMatchObject({ ...NO_HARM, answered: counts.sent })
  expect(counts.duplicated).toBeGreaterThan(0)
}, 90_000)

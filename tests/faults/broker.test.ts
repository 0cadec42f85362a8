import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { rabbitmqOfFile } from '../support/servers.ts'
import { claimRecord } from '../support/record.ts'
import { freshSettings, startGateway, testChannel, testRedis } from '../support/scene.ts'
import { NO_HARM, readyAgain, startFaultScene, unready } from './support/fault-scene.ts'
import type { FaultOptions } from './support/fault-scene.ts'

const rabbitmq = rabbitmqOfFile()

async function scene(options: FaultOptions = {}) {
  const settings = { RABBIT_MQ_URL: rabbitmq().url, ...options.settings }
  const scene = await startFaultScene({ ...options, settings })
  return { ...scene, url: scene.gateways[0]?.url as string }
}

/** Where no request may end before the fault does, however slow the machine is. */
const LONGER_THAN_THE_FAULT = { TIMEOUT: '20' }

describe('F1 a broker killed under load and started again', () => {
  test('loses nothing that was accepted, and is used again by itself', async () => {
    const { url, settle, counted } = await scene()
    await rabbitmq().kill()
    await unready(url)
    await rabbitmq().start()
    await readyAgain(url)
    await delay(2_000)
    const counts = await settle()
    expect(counts).toMatchObject(NO_HARM)
    expect(counts.refused).toBeGreaterThan(0)
    expect(await counted('gateway_rejected_total{reason="broker_down"}')).toBeGreaterThan(0)
    expect(await counted('gateway_publish_total{result="confirmed"}')).toBeGreaterThan(0)
  }, 120_000)
})

describe('F2 a frozen broker', () => {
  test('gets no further jobs after 5 s without a confirm, and those it had are answered or unknown', async () => {
    const { url, settle, counted } = await scene()
    rabbitmq().pause()
    const frozen = performance.now()
    await unready(url)
    expect(performance.now() - frozen).toBeLessThan(8_000)
    // Longer than the heartbeat takes to find it.
    await delay(16_000)
    rabbitmq().resume()
    await readyAgain(url)
    await delay(2_000)
    const counts = await settle()
    expect(counts).toMatchObject(NO_HARM)
    expect(await counted('gateway_publish_total{result="late"}')).toBeGreaterThan(0)
    expect(counts.unknown).toBe(counts.recovered)
  }, 120_000)

  test('that thaws before its heartbeat is missed had what its clients were unsure of, and confirms it late', async () => {
    const { url, settle } = await scene({ settings: LONGER_THAN_THE_FAULT })
    rabbitmq().pause()
    await unready(url)
    await delay(1_000)
    rabbitmq().resume()
    await readyAgain(url)
    const counts = await settle()
    expect(counts).toMatchObject(NO_HARM)
    expect(counts.unknown).toBeGreaterThan(0)
    expect(counts.recovered).toBe(counts.unknown)
  }, 60_000)
})

test('F2 a broker that thaws with a refusal is used again, as after a confirm, and the id is free', async () => {
  const settings = { ...freshSettings(), RABBIT_MQ_URL: rabbitmq().url, QUEUE_MAX_LENGTH: '1' }
  const gateway = await startGateway(settings)
  const channel = await testChannel(rabbitmq().url)
  channel.sendToQueue(settings.QUEUE_NAME, Buffer.from('in the way'))
  await eventually('the queue is full', async () => {
    return (await channel.checkQueue(settings.QUEUE_NAME)).messageCount === 1
  })
  rabbitmq().pause()
  const asked = generate(gateway.url, 'refused', 'x')
  await unready(gateway.url)
  expect((await asked).body.code).toBe('acceptance_unknown')
  rabbitmq().resume()
  await readyAgain(gateway.url)
  const claim = claimRecord(await testRedis(), `${settings.REDIS_PREFIX}:refused`)
  await eventually('its claim is released', async () => !(await claim.exists()))
}, 60_000)

describe('F3 a memory alarm', () => {
  test('is refused at once as broker_blocked, and what was on its way is confirmed when it is over', async () => {
    const { url, settle, counted } = await scene({ settings: LONGER_THAN_THE_FAULT })
    await rabbitmq().control('set_vm_memory_high_watermark', 'absolute', '1')
    await unready(url)
    const { body } = await generate(url, 'refused', 'x')
    expect(body).toMatchObject({ status: 503, code: 'broker_blocked' })
    expect(await counted('gateway_broker_blocked')).toBe(1)
    await rabbitmq().control('set_vm_memory_high_watermark', '0.4')
    await readyAgain(url)
    const counts = await settle()
    expect(counts).toMatchObject({ ...NO_HARM, unknown: 0 })
    expect(await counted('gateway_broker_blocked')).toBe(0)
  }, 120_000)
})

describe('F5 a full queue', () => {
  test('refuses with queue_full, and what it refused never runs', async () => {
    const settings = { QUEUE_MAX_LENGTH: '5', TIMEOUT: '20' }
    const { settle, counted, history } = await scene({ settings, workMs: 1_500, ratePerS: 200 })
    await eventually('something was refused', () => (history.codes().queue_full ?? 0) > 50)
    const counts = await settle()
    expect(counts).toMatchObject({ ...NO_HARM, unknown: 0 })
    expect(counts.refused).toBe(history.codes().queue_full)
    expect(await counted('gateway_publish_total{result="refused"}')).toBe(counts.refused)
  }, 60_000)
})

describe('F6 a deleted queue', () => {
  test('refuses with no_such_queue what finds none, and is declared again by itself', async () => {
    const settings = { ...freshSettings(), RABBIT_MQ_URL: rabbitmq().url }
    const gateway = await startGateway(settings)
    const channel = await testChannel(rabbitmq().url)
    // The gateway looks every 5 s, and declares it: between a look and the next, a request finds none.
    const refused = await eventually('a job finds no queue', async () => {
      await channel.deleteQueue(settings.QUEUE_NAME)
      const signal = AbortSignal.timeout(2_000)
      return (await generate(gateway.url, 'gone', 'x', { signal })).body
    })
    expect(refused).toMatchObject({ status: 503, code: 'no_such_queue' })
    const row = `${settings.QUEUE_NAME}\t0`
    await eventually('it is there again, and empty', async () =>
      (await rabbitmq().control('list_queues', 'name', 'messages')).includes(row),
    )
  }, 60_000)
})

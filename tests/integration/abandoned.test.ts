import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate, leavable } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { cancelKey } from '../support/record.ts'
import { freshSettings, startGateway, startPlainWorker, testScene } from '../support/scene.ts'

async function scene() {
  const { claim, ...rest } = await testScene()
  const gateway = await startGateway(rest.settings)
  const isPublished = (id: string) =>
    eventually('its message was confirmed', async () => {
      const { 'gateway_publish_total{result="confirmed"}': confirmed = 0 } = await metricsOf(
        gateway.url,
      )
      return confirmed > 0 && (await claim(id).run())
    })
  const state = (id: string) => claim(id).state()
  return { ...rest, gateway, isPublished, state }
}

test('a job whose only client has left is cancelled, and nothing of it is left here', async () => {
  const { redis, key, gateway, isPublished, state } = await scene()
  const { leave, left } = leavable(gateway.url, 'l-1')
  const run = await isPublished('l-1')
  leave()
  expect(await left).toBe('left')
  await eventually('it is cancelled', async () => (await state('l-1')) === 'cancelled')
  expect(JSON.parse((await redis.get(key('l-1'))) ?? '')).toEqual({ cancelled: true, run })
  expect(await redis.get(cancelKey(key('l-1')))).toBe(run)
  await eventually('no request is held', () => gateway.load().pending === 0)
  await eventually('only the probe is left', () => gateway.load().subscriptions === 1)
  const { 'gateway_claims_total{result="cancelled"}': cancelled } = await metricsOf(gateway.url)
  expect(cancelled).toBe(1)
})

test('a job that another client still waits for keeps running, here and on another replica', async () => {
  const { settings, gateway, isPublished, state } = await scene()
  const other = await startGateway(settings)
  const here = [leavable(gateway.url, 'l-2'), leavable(gateway.url, 'l-2')] as const
  await isPublished('l-2')
  const there = leavable(other.url, 'l-2')
  await eventually(
    'all three wait',
    () => gateway.load().pending === 2 && other.load().pending === 1,
  )
  const joined = 'gateway_claims_total{result="joined"}'
  await eventually('the other has joined', async () => (await metricsOf(other.url))[joined] === 1)
  here[0].leave()
  await here[0].left
  await eventually('one has left', () => gateway.load().pending === 1)
  here[1].leave()
  await here[1].left
  await eventually('both have left', () => gateway.load().pending === 0)
  expect(await state('l-2')).not.toBe('cancelled')
  await startPlainWorker(settings, () => 'for the one who stayed')
  expect((await there.answer).body).toEqual({ content: 'for the one who stayed' })
})

test('a job whose client was told to come back is not cancelled by another one that leaves', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '1' }
  const gateway = await startGateway(settings)
  expect((await generate(gateway.url, 'l-3', 'x')).body.code).toBe('timed_out')
  const { leave, left } = leavable(gateway.url, 'l-3')
  await eventually('it waits', () => gateway.load().pending === 1)
  leave()
  await left
  await eventually('it has left', () => gateway.load().pending === 0)
  const worker = await startPlainWorker(settings, () => 'kept')
  expect((await generate(gateway.url, 'l-3', 'x')).body).toEqual({ content: 'kept' })
  expect(worker.tasks).toHaveLength(1)
})

test('the same request after a cancel is a new run', async () => {
  const { settings, gateway, isPublished, state } = await scene()
  const { leave, left } = leavable(gateway.url, 'l-4')
  const run = await isPublished('l-4')
  leave()
  await left
  await eventually('it is cancelled', async () => (await state('l-4')) === 'cancelled')
  const worker = await startPlainWorker(settings, (task) =>
    task.run === run ? undefined : 'again',
  )
  expect((await generate(gateway.url, 'l-4', 'x')).body).toEqual({ content: 'again' })
  expect(worker.tasks).toHaveLength(2)
})

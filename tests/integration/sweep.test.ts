import { expect, test } from 'vitest'
import { dialectScene } from '../support/dialects.ts'
import { eventually } from '../support/eventually.ts'
import { generate, leavable } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { claimKey, claimRecord } from '../support/record.ts'
import { freshSettings, startGateway, startPlainWorker, testRedis } from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'

const short = () => ({ ...freshSettings(), TIMEOUT: '0.3', JOB_TTL_S: '1', RESULT_TTL_S: '60' })

test('a result that came after its request was told 504 gets its time to live, from any replica', async () => {
  const settings = short()
  const redis = await testRedis()
  const first = await startGateway(settings)
  const key = `${settings.REDIS_PREFIX}:s-2`
  expect((await generate(first.url, 's-2', 'x')).body.code).toBe('timed_out')
  await first.close(0)
  await redis.set(key, '{"content":"late"}')
  const second = await startGateway(settings)
  await eventually('it has a time to live', async () => (await redis.ttl(key)) > 0)
  expect(await redis.ttl(key)).toBeLessThanOrEqual(60)
  expect(await claimRecord(redis, key).state()).toBe('done')
  await eventually(
    'it is counted',
    async () => (await metricsOf(second.url)).gateway_swept_total === 1,
  )
})

test('a late result over a cancelled one lives no longer than the record says', async () => {
  const settings = { ...short(), TIMEOUT: '10', RESULT_TTL_S: '10' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  const key = `${settings.REDIS_PREFIX}:s-4`
  const { leave, left } = leavable(gateway.url, 's-4')
  const confirmed = 'gateway_publish_total{result="confirmed"}'
  await eventually('it is published', async () => (await metricsOf(gateway.url))[confirmed] === 1)
  leave()
  await left
  await eventually('it is cancelled', async () => (await redis.get(key))?.includes('cancelled'))
  await redis.set(key, '{"content":"from a worker that hears nothing"}')
  await eventually('it has a time to live', async () => (await redis.pTTL(key)) > 0)
  const [life, ofRecord] = await redis.multi().pTTL(key).pTTL(claimKey(key)).execTyped()
  expect(life).toBeLessThanOrEqual(ofRecord)
})

test('a result that came after its record had gone is found by its own key', async () => {
  const settings = { ...short(), RESULT_TTL_S: '1' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  const key = `${settings.REDIS_PREFIX}:s-3`
  await generate(gateway.url, 's-3', 'x')
  await eventually('its record has gone', async () => !(await claimRecord(redis, key).exists()))
  await redis.set(key, '{"content":"later still"}')
  await eventually('it has a time to live', async () => (await redis.pTTL(key)) > 0)
})

test('with SWEEP_ORPHANS off, a result without a record is left as it is', async () => {
  const settings = { ...short(), SWEEP_ORPHANS: 'false' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  const [bare, late] = [`${settings.REDIS_PREFIX}:bare`, `${settings.REDIS_PREFIX}:late`]
  await redis.set(bare, '{"content":"of another program"}')
  await generate(gateway.url, 'late', 'x')
  await redis.set(late, '{"content":"late"}')
  // A pass that has found the one has passed by the other.
  await eventually('the late one has a time to live', async () => (await redis.pTTL(late)) > 0)
  expect(await redis.pTTL(bare)).toBe(-1)
  await redis.del(bare)
})

test('what other programs keep in the same Redis stays byte for byte and as long as it was to live', async () => {
  const scene = await dialectScene('celery-v2', {
    JOB_TTL_S: '1',
    // Among the keys of other tests, a sweep may take longer than a short-lived record lives.
    RESULT_TTL_S: '60',
    TIMEOUT: '0.3',
  })
  const { redis, gateway, id, metaKey } = scene
  const neighbour = '{"status": "SUCCESS", "result": "of a neighbour", "task_id": "n"}'
  await redis.set(metaKey(id('neighbour')), neighbour)
  await generate(gateway.url, id('late'), 'x')
  await redis.set(metaKey(id('late')), '{"status": "SUCCESS", "result": "late"}')
  await eventually(
    'ours has a time to live',
    async () => (await redis.pTTL(metaKey(id('late')))) > 0,
  )
  expect(await redis.get(metaKey(id('neighbour')))).toBe(neighbour)
  expect(await redis.pTTL(metaKey(id('neighbour')))).toBe(-1)
  await redis.del(metaKey(id('neighbour')))
})

test('a login without the right to scan is said once, and jobs are answered all the same', async () => {
  const server = await ownRedis()
  const admin = await testRedis(server.url)
  await admin.configSet('notify-keyspace-events', 'K$gt')
  await admin.sendCommand(['ACL', 'SETUSER', 'narrow', 'on', '>p', '~*', '&*', '+@all', '-scan'])
  const url = new URL(server.url)
  Object.assign(url, { username: 'narrow', password: 'p' })
  const settings = { ...short(), TIMEOUT: '10', REDIS_URL: url.href }
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, ({ content }) => content)
  await gateway.log.until('sweep.forbidden')
  expect((await generate(gateway.url, 's-5', 'x')).body).toEqual({ content: 'x' })
  expect(gateway.log.named('sweep.forbidden')).toHaveLength(1)
})

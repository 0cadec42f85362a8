import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate, leaveAfter } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { pendingKey } from '../support/record.ts'
import { freshSettings, startGateway, startPlainWorker, testRedis } from '../support/scene.ts'

const short = () => ({ ...freshSettings(), TIMEOUT: '0.3', JOB_TTL_S: '1', RESULT_TTL_S: '60' })

test('a job that has been answered leaves nothing to sweep', async () => {
  const settings = freshSettings()
  const [redis, gateway] = [await testRedis(), await startGateway(settings)]
  await startPlainWorker(settings, () => 'x')
  await generate(gateway.url, 's-1', 'x')
  await generate(gateway.url, 's-1', 'x')
  const index = pendingKey(settings.REDIS_PREFIX)
  await eventually('the index is empty', async () => (await redis.zCard(index)) === 0)
})

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
  await eventually(
    'it is counted',
    async () => (await metricsOf(second.url)).gateway_swept_total === 1,
  )
  const index = pendingKey(settings.REDIS_PREFIX)
  await eventually('the index is empty', async () => (await redis.zCard(index)) === 0)
})

test('a late result over a cancelled one is found at the second look', async () => {
  const settings = { ...short(), TIMEOUT: '10', RESULT_TTL_S: '10' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  const key = `${settings.REDIS_PREFIX}:s-4`
  const index = pendingKey(settings.REDIS_PREFIX)
  await leaveAfter(gateway.url, 's-4', 300)
  await eventually('it is cancelled', async () => (await redis.get(key))?.includes('cancelled'))
  await eventually('it was looked at once', async () =>
    (await redis.zRange(index, 0, -1))[0]?.startsWith('2 '),
  )
  await redis.set(key, '{"content":"from a worker that hears nothing"}')
  await eventually('it has a time to live', async () => (await redis.pTTL(key)) > 0, 20_000)
})

test('a result that came after the life of its job is found at a second look', async () => {
  const settings = { ...short(), RESULT_TTL_S: '1' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  const key = `${settings.REDIS_PREFIX}:s-3`
  const index = pendingKey(settings.REDIS_PREFIX)
  await generate(gateway.url, 's-3', 'x')
  await eventually('it was looked at once', async () =>
    (await redis.zRange(index, 0, -1))[0]?.startsWith('2 '),
  )
  await redis.set(key, '{"content":"later still"}')
  await eventually('it has a time to live', async () => (await redis.pTTL(key)) > 0)
  await eventually('the index is empty', async () => (await redis.zCard(index)) === 0)
})

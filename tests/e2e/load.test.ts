import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { askMany } from '../support/load.ts'
import { isLong, named } from '../support/long.ts'
import { startGatewayProgram, startWorkerProgram } from '../support/program.ts'
import { freshSettings, startGateway, testRedis } from '../support/scene.ts'

const REQUESTS = isLong ? 20_000 : 2_000
const SHARED = isLong ? 5_000 : 2_000

test(`${named(REQUESTS)} requests at 64 concurrent: every answer right, and nothing is left behind`, async () => {
  const settings = freshSettings()
  const redis = await testRedis()
  const gateway = await startGateway({ ...settings, LOG_LEVEL: 'warn', TIMEOUT: '60' })
  await startWorkerProgram({ ...settings, LOG_LEVEL: 'info', WORKER_CONCURRENCY: '64' })
  const timersBefore = activeTimers()
  const counts = await askMany({ urls: [gateway.url], total: REQUESTS, concurrency: 64 })
  expect(counts).toEqual({ right: REQUESTS, wrong: [] })
  expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
  const subscribed = await redis.pubSubChannels(`__keyspace@0__:${settings.REDIS_PREFIX}:*`)
  expect(subscribed).toEqual([expect.stringContaining('@probe:')])
  await eventually('no timer is left', () => activeTimers() <= timersBefore)
}, 120_000)

test(`three stubs share a durable queue, one is killed: ${named(SHARED)} of ${named(SHARED)} right`, async () => {
  const settings = { ...freshSettings(), QUEUE_DURABLE: 'true', TIMEOUT: '60' }
  const gateway = await startGatewayProgram({ ...settings, LOG_LEVEL: 'info' })
  const start = () =>
    startWorkerProgram({ ...settings, WORKER_CONCURRENCY: '16', ECHO_DELAY_MS: '20' })
  const stubs = await Promise.all([start(), start(), start()])
  const asking = askMany({ urls: [gateway.url], total: SHARED, concurrency: 64 })
  await eventually('the stub to be killed has worked', () =>
    Boolean(stubs[0].log.named('job.done').length > 100),
  )
  await stubs[0].end('SIGKILL')
  expect(await asking).toEqual({ right: SHARED, wrong: [] })
  // Work was shared, and the killed one's unfinished jobs went to the others.
  const done = stubs.map(({ log }) => log.named('job.done').length)
  expect(Math.min(...done)).toBeGreaterThan(100)
}, 120_000)

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

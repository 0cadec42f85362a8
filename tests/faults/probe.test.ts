import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { askMany } from '../support/load.ts'
import { isLong, named } from '../support/long.ts'
import { startGatewayProgram } from '../support/program.ts'
import { freshSettings, testRedis } from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'
import { startWorker } from '../support/worker-stub.ts'
import type { TestRedis } from '../support/scene.ts'

const JOBS = isLong ? 12_000 : 1_000

/** Kills all subscribers every 100 ms. Resolves with how many connections it was. */
async function killUntil(admin: TestRedis, signal: AbortSignal): Promise<number> {
  let killed = 0
  while (!signal.aborted) {
    killed += await admin.clientKill({ filter: 'TYPE', type: 'pubsub' })
    await delay(100)
  }
  return killed
}

test(`F11 of ${named(JOBS)} jobs, 64 at a time, none is refused while the subscriber is killed every 100 ms`, async () => {
  const redis = await ownRedis()
  const admin = await testRedis(redis.url)
  const settings = { ...freshSettings(), REDIS_URL: redis.url, WORKER_CONCURRENCY: '64' }
  await startWorker(settings)
  const { url, log } = await startGatewayProgram(settings)
  const over = new AbortController()
  const killing = killUntil(admin, over.signal)
  const counts = await askMany({ urls: [url], total: JOBS, concurrency: 64 })
  over.abort()
  expect(await killing).toBeGreaterThan(10)
  expect(counts).toEqual({ right: JOBS, wrong: [] })
  expect(log.named('push.not_ready')).toEqual([])
}, 60_000)

import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { isLong } from '../support/long.ts'
import { ownRedis } from '../support/servers.ts'
import { NO_HARM, readyAgain, startFaultScene, unready } from './support/fault-scene.ts'
import type { FaultOptions } from './support/fault-scene.ts'

async function scene(options: FaultOptions = {}) {
  const redis = await ownRedis()
  const settings = { REDIS_URL: redis.url, ...options.settings }
  const scene = await startFaultScene({ ...options, settings })
  const admin = createClient({ url: redis.url })
  admin.on('error', () => {})
  await admin.connect()
  onTestFinished(() => admin.destroy())
  const wakeups = (source: string) =>
    scene.counted(`gateway_result_wakeups_total{source="${source}"}`)
  return { ...scene, redis, admin, wakeups, url: scene.gateways[0]?.url as string }
}

describe('F9 a frozen Redis', () => {
  test('is refused at once, is used again when it thaws, and nothing accepted is lost', async () => {
    const { redis, url, settle, counted } = await scene()
    redis.pause()
    await unready(url)
    await delay(2_000)
    redis.resume()
    await readyAgain(url)
    await delay(1_000)
    expect(await settle()).toMatchObject(NO_HARM)
    expect(await counted('gateway_rejected_total{reason="results_down"}')).toBeGreaterThan(0)
  }, 60_000)
})

describe('F10 a Redis killed and started empty', () => {
  test('hangs no request: what it lost is a 504, and the same request starts a new run', async () => {
    const { redis, url, settle } = await scene()
    await redis.kill()
    await unready(url)
    await redis.start()
    await readyAgain(url)
    await delay(1_000)
    // Outcomes from before are gone, and asked for again would run again.
    const counts = await settle({ answeredAfter: performance.now() })
    expect(counts).toMatchObject(NO_HARM)
  }, 60_000)
})

describe('F11 the subscriber’s connection killed every 100 ms', () => {
  // Of protollm 1.1, each job has two keys.
  test.each(['protollm-v1', 'protollm-v1.1'])(
    'in %s, every request gets its outcome, none by the last read, none refused',
    async (dialect) => {
      const { admin, settle, wakeups } = await scene({ settings: { DIALECT: dialect } })
      const until = performance.now() + (isLong ? 10_000 : 5_000)
      let killed = 0
      while (performance.now() < until || killed <= 50) {
        killed += await admin.clientKill({ filter: 'TYPE', type: 'pubsub' })
        await delay(100)
      }
      expect(killed).toBeGreaterThan(50)
      const counts = await settle()
      expect(counts).toMatchObject({ ...NO_HARM, refused: 0, unknown: 0, answered: counts.sent })
      expect(await wakeups('reconcile')).toBeGreaterThan(0)
      expect(await wakeups('deadline')).toBe(0)
    },
    60_000,
  )
})

describe('F12 notifications switched off at runtime', () => {
  test.each([
    ['all of them', ''],
    ['the class of the results', 'Kg'],
  ])(
    '%s: the replica that finds out turns them on, and all replicas read what they have missed',
    async (_, flags) => {
      const options = { gateways: [{}, {}], settings: { TIMEOUT: '30' } }
      const { admin, settle, wakeups } = await scene(options)
      await admin.configSet('notify-keyspace-events', flags)
      const isRepaired = async () => {
        const { 'notify-keyspace-events': now = '' } =
          await admin.configGet('notify-keyspace-events')
        return now.includes('$') || now.includes('A')
      }
      await eventually('they are on again', isRepaired, 20_000)
      const counts = await settle()
      expect(counts).toMatchObject({
        ...NO_HARM,
        refused: 0,
        answered: counts.sent,
      })
      expect(await wakeups('reconcile')).toBeGreaterThan(0)
      expect(await wakeups('deadline')).toBe(0)
    },
    60_000,
  )
})

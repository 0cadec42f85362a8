import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { dialects } from '../../src/dialects/index.ts'
import { eventually } from '../support/eventually.ts'
import { generate, leavable, leaveAfter } from '../support/http-client.ts'
import { isLong } from '../support/long.ts'
import { metricsOf } from '../support/metrics.ts'
import { startGatewayProgram } from '../support/program.ts'
import { claimRecord } from '../support/record.ts'
import { freshSettings, startPlainWorker, testRedis } from '../support/scene.ts'
import { History } from './support/history.ts'
import {
  NO_HARM,
  expectSilence,
  nothingLeft,
  startFaultScene,
  startRecordingWorker,
} from './support/fault-scene.ts'
import type { FaultScene } from './support/fault-scene.ts'

/** The gateway of this number is no more asked. */
async function killed(scene: FaultScene, index: number): Promise<void> {
  const [gateway] = scene.gateways.splice(index, 1)
  await gateway?.end('SIGKILL')
}

describe('F21 clients that leave', () => {
  test('leave nothing behind: jobs cancelled, no subscription, no timer, and what had not begun never runs', async () => {
    const settings = { ...freshSettings(), QUEUE_DURABLE: 'true' }
    const [redis, gateway] = [await testRedis(), await startGatewayProgram(settings)]
    const ids = Array.from({ length: 300 }, () => randomUUID())
    // No worker yet: all of them leave before their job has begun, one half when the broker has it.
    const published = ids.slice(150).map((id) => leavable(gateway.url, id))
    const confirmed = 'gateway_publish_total{result="confirmed"}'
    await eventually('the broker has their jobs', async () => {
      return (await metricsOf(gateway.url))[confirmed] === published.length
    })
    const others = ids.slice(0, 150).map((id) => leaveAfter(gateway.url, id, Math.random() * 1_500))
    for (const { leave } of published) leave()
    await Promise.all([...others, ...published.map(({ left }) => left)])
    await nothingLeft(gateway.url)
    const claimOf = (id: string) => claimRecord(redis, `${settings.REDIS_PREFIX}:${id}`)
    const statesOf = () => Promise.all(ids.map((id) => claimOf(id).state()))
    // The cancel is still on its way when the request is no more held.
    await eventually('the last cancel has come through', async () => {
      const states = await statesOf()
      return states.every((state) => state === 'cancelled' || state === undefined)
    })
    const states = await statesOf()
    // Left before its publish, a job has no claim any more.
    expect(states.filter((state) => state !== 'cancelled' && state !== undefined)).toEqual([])
    expect(states.filter((state) => state === 'cancelled').length).toBeGreaterThan(100)
    const history = new History()
    await startRecordingWorker(settings, history, 0)
    expect((await generate(gateway.url, 'after', 'x')).status).toBe(200)
    expect(history.executions.map(({ id }) => id)).toEqual(['after'])
    expectSilence(gateway.log)
  }, 60_000)
})

describe('F23 SIGTERM with 500 requests pending', () => {
  test('answers each of them once, with its outcome or that it keeps running, and ends with 0', async () => {
    const settings = { ...freshSettings(), STOP_GRACE_S: '2', TIMEOUT: '60' }
    const [first, second] = [
      await startGatewayProgram(settings),
      await startGatewayProgram(settings),
    ] as const
    let stopping = false
    // Every second job is done within the grace, the others after it.
    const worker = await startPlainWorker(settings, async ({ id, content }) => {
      await eventually('it is stopping', () => stopping)
      await delay(Number(id) % 2 === 0 ? 500 : 4_000)
      return content
    })
    const ids = Array.from({ length: 500 }, (_, index) => String(index))
    const asked = ids.map((id) => generate(first.url, id, `of ${id}`))
    await eventually('all are with the worker', () => worker.tasks.length === ids.length)
    const ended = first.end('SIGTERM')
    stopping = true
    const isEven = (index: number): boolean => index % 2 === 0
    const answers = await Promise.all(asked)
    expect(await ended).toBe(0)
    const told = answers.map(({ status, body }) => ({ ...body, status }))
    expect(told).toMatchObject(
      ids.map((id, index) =>
        isEven(index)
          ? { status: 200, content: `of ${id}` }
          : { status: 503, code: 'interrupted', job_id: id },
      ),
    )
    expect(answers.every(({ headers }) => headers.get('connection') === 'close')).toBe(true)
    const elsewhere = ids.filter((_, index) => !isEven(index))
    const outcomes = await Promise.all(elsewhere.map((id) => generate(second.url, id, `of ${id}`)))
    expect(outcomes.map(({ body }) => body)).toEqual(
      elsewhere.map((id) => ({ content: `of ${id}` })),
    )
    expect(worker.tasks).toHaveLength(500)
  }, 60_000)
})

describe('F24 one of two gateways killed under load, its clients go to the other', () => {
  const names = Object.keys(dialects)
  test.each(names)(
    'in %s, every job has its one outcome, no request hangs, and one in a hundred may run twice',
    async (dialect) => {
      const settings = { DIALECT: dialect, TIMEOUT: '20' }
      const scene = await startFaultScene({
        settings,
        gateways: [{}, {}],
        ratePerS: isLong ? 200 : 100,
        retries: true,
        // So that there are always some that the killed one holds.
        workMs: 400,
      })
      await killed(scene, 0)
      await delay(8_000)
      const counts = await scene.settle()
      expect(counts).toMatchObject({ ...NO_HARM, answered: counts.sent })
      expect(counts.codes.broken).toBeGreaterThan(0)
      // One execution at least of each.
      expect(new Set(scene.history.executions.map(({ id }) => id)).size).toBe(counts.sent)
      expect(counts.duplicated).toBeLessThan(counts.sent / 100)
    },
    60_000,
  )

  test('with late results from unchanged workers, no key is left without a time to live once swept', async () => {
    const settings = {
      ...freshSettings(),
      TIMEOUT: '1',
      JOB_TTL_S: '3',
      RESULT_TTL_S: '4',
      QUEUE_DURABLE: 'false',
    }
    const redis = await testRedis()
    const [first, second] = [
      await startGatewayProgram(settings),
      await startGatewayProgram(settings),
    ] as const
    // Some answer in time, some when their client has been told 504, some when the job's life is over.
    const lateness = [0, 1_500, 5_000]
    const worker = await startPlainWorker(settings, async ({ id, content }) => {
      await delay(lateness[Number(id) % lateness.length])
      return content
    })
    const ask = (id: number) =>
      generate((id % 2 === 0 ? first : second).url, String(id), 'x').catch(() => 'broken')
    const asked = Array.from({ length: 300 }, (_, id) => ask(id))
    await eventually('most are with the worker', () => worker.tasks.length > 200)
    await first.end('SIGKILL')
    await Promise.all(asked)
    const results = async () =>
      (await redis.keys(`${settings.REDIS_PREFIX}:*`)).filter((key) => !key.includes('@'))
    await eventually('late results stand there', async () => (await results()).length > 50)
    await delay(Math.max(...lateness))
    await eventually(
      'every key has a time to live, or is gone',
      async () => {
        const keys = await redis.keys(`*${settings.REDIS_PREFIX}*`)
        const lives = await Promise.all(keys.map((key) => redis.pTTL(key)))
        return lives.every((life) => life !== -1)
      },
      30_000,
    )
    await nothingLeft(second.url)
  }, 60_000)
})

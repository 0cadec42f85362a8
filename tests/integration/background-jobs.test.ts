import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { BackgroundJobs } from '../../src/redis/background-jobs.ts'
import { backgroundKey } from '../../src/redis/keys.ts'
import { recordScene } from '../support/job-records.ts'
import type { BackgroundJobsOptions } from '../../src/redis/background-jobs.ts'

const LIFE_MS = 60_000

/** The count of one gateway, over a Redis that others share. */
async function counting(most: number, view: BackgroundJobsOptions['view']) {
  const { connection, redis } = await recordScene()
  const prefix = `background-${randomUUID()}`
  const jobs = new BackgroundJobs({ connection, prefix, most, view })
  const counted = () => redis.zRange(backgroundKey(prefix), 0, -1)
  return { jobs, counted, connection, redis, key: backgroundKey(prefix) }
}

const running = async () => ({ status: 'running' }) as const

describe('the count of background jobs', () => {
  test('says whether a job was counted before, so that only a first request takes it out again', async () => {
    const { jobs, counted } = await counting(1, running)
    expect(await jobs.enter('a', LIFE_MS)).toBe(true)
    expect(await jobs.enter('a', LIFE_MS)).toBe(false)
    expect(await counted()).toEqual(['a'])
  })

  test('takes out a job whose result no gateway can read: it has ended', async () => {
    const { jobs, counted } = await counting(1, async (id) => {
      if (id === 'a') throw new GatewayError('bad_result', 'too large')
      return running()
    })
    await jobs.enter('a', LIFE_MS)
    await jobs.enter('b', LIFE_MS)
    expect(await counted()).toEqual(['b'])
  })

  test('takes out the others where one job cannot be looked at now', async () => {
    const down = new GatewayError('results_down', 'Redis is away')
    const { jobs, counted } = await counting(2, async (id) => {
      if (id === 'a') throw down
      return { status: 'succeeded' }
    })
    await jobs.enter('a', LIFE_MS)
    await jobs.enter('b', LIFE_MS)
    await jobs.enter('c', LIFE_MS)
    expect((await counted()).toSorted()).toEqual(['a', 'c'])
  })

  test('is a refusal of Redis, and no fault of the gateway, where it cannot be looked through', async () => {
    const { jobs, connection } = await counting(1, running)
    await jobs.enter('a', LIFE_MS)
    vi.spyOn(connection.client, 'zRange').mockRejectedValueOnce(new Error('closed'))
    await expect(jobs.enter('b', LIFE_MS)).rejects.toMatchObject({ code: 'results_down' })
  })

  test('counts by the clock of Redis, so that a gateway whose clock is wrong forgets no job', async () => {
    const { jobs, counted } = await counting(2, running)
    await jobs.enter('a', LIFE_MS)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * LIFE_MS })
    try {
      await jobs.enter('b', LIFE_MS)
    } finally {
      vi.useRealTimers()
    }
    expect((await counted()).toSorted()).toEqual(['a', 'b'])
  })
})

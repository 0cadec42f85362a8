import { expect, onTestFinished, test } from 'vitest'
import { RedisConnection } from '../../src/redis/connection.ts'
import { UnansweredJobs } from '../../src/redis/unanswered-jobs.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Lines } from '../../dev/lines.ts'
import { eventually } from '../support/eventually.ts'
import { freshSettings, testRedis } from '../support/scene.ts'

/** What so many gateways remember together. */
async function gateways(count: number) {
  const { REDIS_URL: url = '', REDIS_PREFIX: prefix } = freshSettings()
  const lines = new Lines()
  const log = createLog('debug', lines)
  const all = Array.from({ length: count }, () => {
    const connection = new RedisConnection(url, 'data', log)
    connection.open()
    onTestFinished(() => connection.close())
    return { connection, jobs: new UnansweredJobs(connection, prefix, log) }
  })
  await eventually('all are connected', () => all.every(({ connection }) => connection.link.ready))
  return { jobs: all.map(({ jobs }) => jobs), lines, prefix, redis: await testRedis(url) }
}

test('a job is given to one of the requests that ask for it at once, on whichever replica', async () => {
  const { jobs, lines, prefix, redis } = await gateways(4)
  for (let round = 0; round < 20; round += 1) {
    await jobs[0]?.put('name', `job-${round}`)
    const takes = Array.from({ length: 10 }, () => jobs.map((one) => one.take('name')))
    const found = (await Promise.all(takes.flat())).filter((id) => id !== undefined)
    expect(found).toEqual([`job-${round}`])
  }
  expect(await redis.keys(`${prefix}:*`)).toEqual([])
  expect(lines.named('unanswered.take_failed')).toEqual([])
})

test('a key of another type is no job, and is left alone', async () => {
  const { jobs, lines, prefix, redis } = await gateways(1)
  await redis.hSet(`${prefix}:@unanswered:name`, 'x', 'y')
  expect(await jobs[0]?.take('name')).toBeUndefined()
  expect(await redis.exists(`${prefix}:@unanswered:name`)).toBe(1)
  expect(lines.named('unanswered.take_failed')).toHaveLength(1)
})

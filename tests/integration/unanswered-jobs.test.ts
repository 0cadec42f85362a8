import { describe, expect, onTestFinished, test } from 'vitest'
import { RedisConnection } from '../../src/redis/connection.ts'
import { KEPT_MS, UnansweredJobs } from '../../src/redis/unanswered-jobs.ts'
import { UnansweredNames } from '../../src/redis/unanswered-names.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Lines } from '../../dev/lines.ts'
import { eventually } from '../support/eventually.ts'
import { LinkProxy } from '../support/proxy.ts'
import { freshSettings, testRedis } from '../support/scene.ts'

/** What one gateway remembers with all others of the prefix. */
async function gateway(url: string, prefix: string, lines = new Lines()) {
  const log = createLog('debug', lines)
  const data = new RedisConnection(url, 'data', log)
  const subscriber = new RedisConnection(url, 'subscriber', log)
  const names = new UnansweredNames({ subscriber, data, prefix, lifeMs: KEPT_MS, log })
  const jobs = new UnansweredJobs({ connection: data, names, prefix, log })
  for (const connection of [data, subscriber]) {
    connection.open()
    onTestFinished(() => connection.close())
  }
  await eventually('it hears the others', () => names.state === 'current')
  /** A reply on the same connection comes after all names that were announced before. */
  const hear = () => subscriber.client.ping()
  return { names, jobs, hear }
}

async function gateways(count: number) {
  const { REDIS_URL: url = '', REDIS_PREFIX: prefix } = freshSettings()
  const lines = new Lines()
  const starts = Array.from({ length: count }, () => gateway(url, prefix, lines))
  const all = await Promise.all(starts)
  const jobs = all.map((one) => one.jobs)
  const hear = () => Promise.all(all.map((one) => one.hear()))
  return { jobs, hear, lines, url, prefix, redis: await testRedis(url) }
}

test('a job is given to one of the requests that ask for it at once, on whichever replica', async () => {
  const { jobs, hear, lines, prefix, redis } = await gateways(4)
  for (let round = 0; round < 20; round += 1) {
    await jobs[0]?.put('name', `job-${round}`)
    await hear()
    const takes = Array.from({ length: 10 }, () => jobs.map((one) => one.take('name')))
    const found = (await Promise.all(takes.flat())).filter((id) => id !== undefined)
    expect(found).toEqual([`job-${round}`])
  }
  expect(await redis.keys(`${prefix}:*`)).toEqual([])
  expect(lines.named('unanswered.take_failed')).toEqual([])
})

test('a key of another type is no job, and is left alone', async () => {
  const { jobs, lines, prefix, redis } = await gateways(1)
  await jobs[0]?.put('name', 'job')
  await redis.del(`${prefix}:@unanswered:name`)
  await redis.hSet(`${prefix}:@unanswered:name`, 'x', 'y')
  expect(await jobs[0]?.take('name')).toBeUndefined()
  expect(await redis.exists(`${prefix}:@unanswered:name`)).toBe(1)
  expect(lines.named('unanswered.take_failed')).toHaveLength(1)
})

describe('a job is found by a replica', () => {
  test('that heard of it, and Redis is not asked about others', async () => {
    const { jobs, hear, prefix, redis } = await gateways(2)
    // The id alone, without an announcement: a replica that asks Redis finds it.
    await redis.set(`${prefix}:@unanswered:silent`, 'job')
    expect(await jobs[1]?.take('silent')).toBeUndefined()
    await jobs[0]?.put('name', 'job')
    await hear()
    expect(await jobs[1]?.take('name')).toBe('job')
  })

  test('that starts later', async () => {
    const { jobs, url, prefix } = await gateways(1)
    await jobs[0]?.put('name', 'job')
    const later = await gateway(url, prefix)
    expect(await later.jobs.take('other')).toBeUndefined()
    expect(await later.jobs.take('name')).toBe('job')
  })

  test('whose subscriber was away when it was announced, while it is away and afterwards', async () => {
    const { jobs, url, prefix } = await gateways(1)
    const proxy = new LinkProxy(url)
    const cut = await gateway(await proxy.open(), prefix)
    onTestFinished(() => proxy.close())
    const silent = { toServer: { blackHole: true }, toClient: { blackHole: true } }
    proxy.faultsOf = () => silent
    proxy.cut('protollm-subscriber')
    await eventually('it is lost', () => cut.names.state === 'connecting')
    for (const name of ['one', 'two']) await jobs[0]?.put(name, `job-${name}`)
    expect(await cut.jobs.take('one')).toBe('job-one')
    proxy.faultsOf = () => proxy.faults
    proxy.cut('protollm-subscriber')
    await eventually('it hears again', () => cut.names.state === 'current')
    expect(await cut.jobs.take('other')).toBeUndefined()
    expect(await cut.jobs.take('two')).toBe('job-two')
  })
})

test('the names are kept as long as the last of them is alive', async () => {
  const { jobs, prefix, redis } = await gateways(1)
  const key = `${prefix}:@unanswered`
  await redis.zAdd(key, { score: Date.now() - 1, value: 'past' })
  for (const name of ['one', 'two']) await jobs[0]?.put(name, 'job')
  expect(await redis.zRange(key, 0, -1)).toEqual(['one', 'two'])
  const life = await redis.pTTL(key)
  expect(life).toBeGreaterThan(KEPT_MS / 2)
  expect(life).toBeLessThanOrEqual(KEPT_MS)
})

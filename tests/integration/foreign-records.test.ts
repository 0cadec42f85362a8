import { describe, expect, onTestFinished, test } from 'vitest'
import { deadQueueOf } from '../../src/dialect.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents } from '../support/events.ts'
import { ask, generate, post, submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { claimKey } from '../support/record.ts'
import { startPlainWorker, testRedis } from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'
import { speaker, startWorker, workerScene } from '../support/worker-stub.ts'
import type { TestRedis } from '../support/scene.ts'

/** Puts something else in the place of a job's record, as a version of tomorrow or another program might. */
type PutRecord = (redis: TestRedis, resultKey: string) => Promise<unknown>

const putHash: PutRecord = async (redis, resultKey) => {
  await redis.del(claimKey(resultKey))
  return redis.hSet(claimKey(resultKey), { run: 'run-1', state: 'published' })
}
const putText =
  (text: string): PutRecord =>
  (redis, resultKey) =>
    redis.set(claimKey(resultKey), text)

const FOREIGN: readonly [string, PutRecord, reason: RegExp][] = [
  ['of another type', putHash, /^WRONGTYPE /],
  ['of another version', putText('{"v":2,"run":"run-1"}'), /^RECORD of a version/],
  ['that is not JSON', putText('canary'), /Expected value but found invalid token/],
  ['that is no object', putText('7'), /attempt to index .* number value/],
]

describe('the stub, at a record', () => {
  test.each(FOREIGN)(
    '%s, refuses the job once, says why, and runs other jobs',
    async (_, put, reason) => {
      const { settings, redis, key, send, result, acknowledgedBy } = await workerScene()
      await put(redis, key('r-1'))
      // A job that were tried for ever would hold the only slot.
      const { worker, log } = await startWorker({ ...settings, WORKER_CONCURRENCY: '1' })
      send('r-1', 'run-1')
      send('r-2', 'run-1')
      expect(await result('r-2')).toMatchObject({ content: 'echo: x' })
      expect(log.named('worker.redis_refused')).toEqual([
        expect.objectContaining({ error: expect.stringMatching(reason) }),
      ])
      expect(log.named('job.refused')).toEqual([
        expect.objectContaining({ error: expect.stringMatching(reason) }),
      ])
      await acknowledgedBy(worker)
      expect(await redis.exists(key('r-1'))).toBe(0)
    },
  )

  test.each(FOREIGN)(
    '%s that came while the job ran, gives the answer up, and runs other jobs',
    async (_, put, reason) => {
      const { settings, redis, key, send, result, acknowledgedBy } = await workerScene()
      const engine = speaker(async () => {
        if (log.named('job.refused').length === 0) await put(redis, key('r-3'))
        return 'costly'
      })
      const { worker, log } = await startWorker({ ...settings, WORKER_CONCURRENCY: '1' }, engine)
      send('r-3', 'run-1')
      send('r-4', 'run-1')
      expect(await result('r-4')).toMatchObject({ content: 'costly' })
      expect(log.named('job.refused')).toEqual([
        expect.objectContaining({ error: expect.stringMatching(reason) }),
      ])
      await acknowledgedBy(worker)
      expect(await redis.exists(key('r-3'))).toBe(0)
    },
  )

  test('leaves the message in the dead-letter queue, where the queue has one', async () => {
    const { settings, channel, redis, key, send, result } = await workerScene()
    const dead = deadQueueOf(settings.QUEUE_NAME)
    await channel.assertQueue(dead, { durable: true })
    onTestFinished(async () => void (await channel.deleteQueue(dead)))
    await putHash(redis, key('r-5'))
    const quorum = { QUEUE_TYPE: 'quorum', QUEUE_DURABLE: 'true' }
    await startWorker({ ...settings, ...quorum })
    onTestFinished(async () => void (await channel.deleteQueue(settings.QUEUE_NAME)))
    send('r-5', 'run-1')
    send('r-6', 'run-1')
    expect(await result('r-6')).toMatchObject({ content: 'echo: x' })
    const letter = await eventually('the dead letter', async () => {
      const message = await channel.get(dead, { noAck: true })
      return message === false ? null : message
    })
    expect(JSON.parse(letter.content.toString())).toMatchObject({ id: 'r-5' })
    expect(letter.properties.headers).toMatchObject({ 'x-first-death-reason': 'rejected' })
  })
})

describe('the stub, whose answer Redis refuses for a while', () => {
  test.each([
    ['because its memory is full', ['CONFIG', 'SET', 'maxmemory', '1'], /^OOM /],
    ['because it has become a replica', ['REPLICAOF', '127.0.0.1', '1'], /^READONLY /],
  ])('%s, keeps the answer and writes it in the end', async (_, refuse, reason) => {
    const server = await ownRedis()
    const admin = await testRedis(server.url)
    const { settings, key, send } = await workerScene()
    const engine = speaker(async () => {
      await admin.sendCommand(refuse)
      return 'costly'
    })
    const { log } = await startWorker({ ...settings, REDIS_URL: server.url }, engine)
    send('r-7', 'run-1')
    const refused = await log.until('worker.redis_refused')
    expect(refused.error).toMatch(reason)
    await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', '0'])
    await admin.sendCommand(['REPLICAOF', 'NO', 'ONE'])
    const answer = await eventually('the answer', () => admin.get(key('r-7')))
    expect(JSON.parse(answer)).toMatchObject({ content: 'costly', run: 'run-1' })
    expect(log.named('job.refused')).toEqual([])
  })
})

/** Far below the times after which these requests give up. */
const AT_ONCE_MS = 2_000

describe('a gateway, at a record', () => {
  const CLAIMS = { status: 503, code: 'results_down' }
  test.each([
    ['of another type', putHash, { status: 502, code: 'bad_result' }],
    ['of another version', putText('{"v":2,"run":"run-1"}'), CLAIMS],
  ])('%s, answers every route at once with an error, and serves others', async (_, put, looks) => {
    const { settings, gateway, redis, key } = await jobScene({ TIMEOUT: '30' })
    await startPlainWorker(settings, ({ content }) => `echo: ${content}`)
    await put(redis, key('r-8'))
    const url = gateway.url
    const body = { job_id: 'r-8', meta: {}, content: 'x' }
    const started = performance.now()
    const refused = [
      await generate(url, 'r-8', 'x'),
      await post(url, '/generate?stream=true', body),
      await submit(url, { job_id: 'r-8', content: 'x' }),
    ]
    const looked = [
      await ask(`${url}/jobs/r-8`, 'GET'),
      await ask(`${url}/jobs/r-8`, 'GET', undefined, { prefer: 'wait=20' }),
      await ask(`${url}/jobs/r-8/events`, 'GET'),
      await ask(`${url}/jobs/r-8`, 'DELETE'),
    ]
    for (const { body: answer } of refused) expect(answer).toMatchObject(CLAIMS)
    for (const { body: answer } of looked) expect(answer).toMatchObject(looks)
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS)
    expect((await generate(url, 'r-9', 'x')).body).toEqual({ content: 'echo: x' })
    expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
  })

  test.each([
    ['of another type', putHash, { status: 502, code: 'bad_result' }],
    ['of another version', putText('{"v":2,"run":"run-1"}'), CLAIMS],
  ])(
    '%s that came while requests wait, answers them all when the result comes',
    async (_, put, end) => {
      const { gateway, redis, key, answer, take } = await jobScene({ TIMEOUT: '30' })
      const asking = generate(gateway.url, 'r-10', 'x')
      await take()
      const events = await readEvents(`${gateway.url}/jobs/r-10/events`)
      const holding = ask(`${gateway.url}/jobs/r-10`, 'GET', undefined, { prefer: 'wait=20' })
      await eventually('all three wait', () => gateway.load().pending === 3)
      await put(redis, key('r-10'))
      const started = performance.now()
      await answer('r-10', { content: 'x' })
      expect((await asking).body).toMatchObject(end)
      expect((await holding).body).toMatchObject(end)
      expect((await events.all()).at(-1)).toMatchObject({
        event: 'error',
        data: { code: end.code },
      })
      expect(performance.now() - started).toBeLessThan(AT_ONCE_MS)
      await eventually('all are let go', () => gateway.load().pending === 0)
    },
  )
})

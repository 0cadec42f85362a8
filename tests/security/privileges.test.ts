import { describe, expect, test } from 'vitest'
import { SILENT_MS } from '../../src/announcement.ts'
import { eventually } from '../support/eventually.ts'
import { claimRecord, deltasKey } from '../support/record.ts'
import { readEvents, textOf } from '../support/events.ts'
import { ask, generate, post, submit } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { startGatewayProgram, startProgram } from '../support/program.ts'
import { testChannel, testRedis } from '../support/scene.ts'
import { ownRedis, rabbitmqOfFile } from '../support/servers.ts'
import {
  CONFIG_RIGHTS,
  commandsOf,
  grantAllOnRabbitmq,
  grantOnRedis,
  urlFor,
} from './support/deploy.ts'
import type { Server } from '../../dev/services/server.ts'
import type { Settings } from '../support/scene.ts'

/** Dialects with keys of their own. */
const OTHERS = ['protollm-v1.1', 'celery-v2']
/** No worker takes jobs from it. */
const IDLE = 'llm-api-idle'
const WORKERS = 'llm-api:@workers'
const TO_IDLE = `/generate?queue_name=${IDLE}`

const rabbitmq = rabbitmqOfFile((server) => {
  const ofTypes = ['classic', 'quorum'].map((type) => ({ VHOST: type, QUEUE_TYPE: type }))
  const ofDialects = OTHERS.map((dialect) => ({ VHOST: dialect, DIALECT: dialect }))
  const settings = [...ofTypes, ...ofDialects].map((own) => ({ ...own, ALLOWED_QUEUES: IDLE }))
  return grantAllOnRabbitmq(server, settings)
})

async function scene(queueType: string, notifyConfig: string) {
  const redis = await ownRedis()
  if (notifyConfig === 'check') await announceWrites(redis)
  await grantOnRedis(redis, notifyConfig === 'set' ? { 'llm-gateway': CONFIG_RIGHTS } : {})
  return start(redis, queueType, { QUEUE_TYPE: queueType, NOTIFY_CONFIG: notifyConfig })
}

async function sceneIn(dialect: string) {
  const redis = await ownRedis()
  await announceWrites(redis)
  await grantOnRedis(redis, {}, `users-${dialect}.acl`)
  return start(redis, dialect, { DIALECT: dialect, NOTIFY_CONFIG: 'check' })
}

const announceWrites = (redis: Server) =>
  redis.control('CONFIG', 'SET', 'notify-keyspace-events', 'K$gt')

async function start(redis: Server, vhost: string, more: Settings) {
  const settings = { ...more, LOG_LEVEL: 'debug', STOP_GRACE_S: '1', API_PORT: '0' }
  const addresses = (login: string) => ({
    REDIS_URL: urlFor(redis, login),
    RABBIT_MQ_URL: urlFor(rabbitmq(), login, vhost),
  })
  const worker = startProgram('worker-stub/main.ts', {
    ...settings,
    ...addresses('llm-worker'),
    ECHO_TOKENS_PER_S: '1000',
  })
  const gateway = await startGatewayProgram({
    ...settings,
    ...addresses('llm-gateway'),
    ALLOWED_QUEUES: IDLE,
    MODELS: `idle=${IDLE}`,
    TIMEOUT: '1',
    JOB_TTL_S: '3',
    MAX_BACKGROUND: '1',
  })
  await worker.log.until('worker.consuming')
  const admin = await testRedis(urlFor(redis, 'admin'))
  const channel = await testChannel(`${rabbitmq().url}/${vhost}`)
  return { gateway, worker, admin, channel, url: gateway.url }
}

type Scene = Awaited<ReturnType<typeof scene>>
const jobOf = (id: string) => ({ job_id: id, meta: {}, content: 'x' })

async function answeredJobs({ url }: Scene): Promise<void> {
  expect((await generate(url, 'p-1', 'x')).body).toEqual({ content: 'echo: x' })
  expect((await generate(url, 'p-1', 'x')).headers.get('idempotent-replayed')).toBe('true')
  const joined = await Promise.all([generate(url, 'p-2', 'y'), generate(url, 'p-2', 'y')])
  expect(joined.map(({ body }) => body.content)).toEqual(['echo: y', 'echo: y'])
  // Large enough to be read in pieces.
  const large = 'x'.repeat(600_000)
  expect((await generate(url, 'p-3', large)).body).toEqual({ content: `echo: ${large}` })
}

/** A request under /v1 that is sent again after its 504 joins its job. */
async function repeatedJobs({ url, channel }: Scene): Promise<void> {
  const chat = { model: 'idle', messages: [{ role: 'user', content: 'x' }] }
  const [first, again] = [
    await post(url, '/v1/chat/completions', chat),
    await post(url, '/v1/chat/completions', chat),
  ]
  expect([first.status, again.status]).toEqual([504, 504])
  expect(again.headers.get('x-job-id')).toBe(first.headers.get('x-job-id'))
  await channel.purgeQueue(IDLE)
}

/** Followed while it is streamed, and stopped while it waits. */
async function followedJobs({ url, channel }: Scene): Promise<void> {
  const { body } = await submit(url, { content: 'one two three' })
  const events = await (await readEvents(`${url}/jobs/${body.job_id}/events`)).all()
  expect(textOf(events)).toBe('echo: one two three')
  expect(events.length).toBeGreaterThan(2)
  const idle = await submit(url, { content: 'x', queue_name: IDLE })
  const cancelled = await ask(`${url}/jobs/${idle.body.job_id}`, 'DELETE')
  expect(cancelled.body.status).toBe('cancelled')
  await eventually('it is queued', async () => (await channel.checkQueue(IDLE)).messageCount > 0)
  await channel.purgeQueue(IDLE)
}

/** In the background: streamed, deleted, and more of them than there may be. */
async function backgroundResponses({ url, gateway }: Scene): Promise<void> {
  await gateway.log.until('worker.announced')
  const body = { model: 'echo', input: 'one two three', background: true }
  const first = await post(url, '/v1/responses', body)
  expect(first.status).toBe(200)
  const { id } = first.body as unknown as { id: string }
  const streamed = await fetch(`${url}/v1/responses/${id}?stream=true`)
  expect(await streamed.text()).toContain('response.completed')
  const second = await post(url, '/v1/responses', { ...body, input: 'x '.repeat(20_000) })
  expect(second.status).toBe(200)
  expect((await post(url, '/v1/responses', body)).status).toBe(429)
  for (const { body: it } of [first, second]) {
    const path = `/v1/responses/${(it as unknown as { id: string }).id}`
    expect((await ask(url + path, 'DELETE')).status).toBe(200)
  }
}

/** One that announces itself and stops, and one that dies. */
async function announcedWorkers({ gateway, worker, admin }: Scene): Promise<void> {
  await gateway.log.until('worker.announced')
  const dead = { worker: 'dead', instance: 'x', queue: IDLE, models: ['x'] }
  await admin.hSet(WORKERS, 'dead', JSON.stringify(dead))
  await admin.publish(WORKERS, JSON.stringify(dead))
  expect(await worker.end('SIGTERM')).toBe(0)
  await gateway.log.until('worker.stopped')
  await gateway.log.until('worker.lost', 2 * SILENT_MS)
  expect(await admin.exists(WORKERS)).toBe(0)
  expect(await admin.hLen('llm-api:@models')).toBe(2)
}

/** Every other end: late, of another run, cancelled, swept. */
async function unansweredJobs({ gateway, admin, channel, url }: Scene): Promise<void> {
  const foreign = post(url, TO_IDLE, jobOf('p-4'))
  await eventually('it is queued', async () => (await channel.checkQueue(IDLE)).messageCount > 0)
  await admin.set('llm-api:p-4', '{"content":"x","run":"another"}')
  await gateway.log.until('job.foreign_run')
  expect((await foreign).body.code).toBe('timed_out')
  // Seen by a look as well, which takes it for an end before it is decoded.
  await admin.xAdd(deltasKey('llm-api:p-4'), '*', { text: 'one ' })
  await admin.pExpire(deltasKey('llm-api:p-4'), 60_000)
  await admin.set('llm-api:p-4', '{"content":"x","run":"another"}')
  expect((await ask(`${url}/jobs/p-4`, 'GET')).body.status).toBe('queued')

  const confirmed = 'gateway_publish_total{result="confirmed"}'
  const before = (await metricsOf(url))[confirmed] ?? 0
  const client = new AbortController()
  const left = post(url, TO_IDLE, jobOf('p-5'), {}, { signal: client.signal })
  await eventually('it is published', async () => {
    return (await metricsOf(url))[confirmed] === before + 1
  })
  client.abort()
  await left.catch(() => {})
  await gateway.log.until('job.cancelled')

  expect((await post(url, TO_IDLE, jobOf('p-6'))).body.code).toBe('timed_out')
  await admin.set('llm-api:p-6', '{"content":"late"}')
  expect((await post(url, TO_IDLE, jobOf('p-6'))).body).toEqual({ content: 'late' })

  expect((await post(url, TO_IDLE, jobOf('p-7'))).body.code).toBe('timed_out')
  await admin.set('llm-api:p-7', '{"content":"never read"}')
  await eventually('it is swept', async () => (await admin.ttl('llm-api:p-7')) > 0)

  // Its replica died before it said whether the broker had the job: another one publishes it.
  expect((await post(url, TO_IDLE, jobOf('p-11'))).body.code).toBe('timed_out')
  await claimRecord(admin, 'llm-api:p-11').abandon(10_000)
  expect((await post(url, TO_IDLE, jobOf('p-11'))).body.code).toBe('timed_out')
}

/** What the broker gave up, and what it gave back. */
async function refusedJobs({ url, channel }: Scene, queueType: string): Promise<void> {
  const isQuorum = queueType === 'quorum'
  await channel.consume(IDLE, (message) => message && channel.nack(message, false, false))
  // What is refused in a classic queue is gone, and no program hears of it.
  const { code } = (await post(url, TO_IDLE, jobOf('p-8'))).body
  expect(code).toBe(isQuorum ? 'worker_failed' : 'timed_out')
  await channel.deleteQueue(IDLE)
  expect((await post(url, TO_IDLE, jobOf('p-9'))).body.code).toBe('no_such_queue')
  await eventually('it is declared again', async () => {
    return (await post(url, TO_IDLE, jobOf('p-10'))).body.code !== 'no_such_queue'
  })
}

describe('gateway and worker stub under the rights of deploy/', () => {
  test.each([
    ['classic', 'check'],
    ['quorum', 'set'],
  ])(
    'run, join, replay, time out, cancel and sweep jobs with QUEUE_TYPE=%s and NOTIFY_CONFIG=%s',
    async (queueType, notifyConfig) => {
      const running = await scene(queueType, notifyConfig)
      const { gateway, admin } = running
      await answeredJobs(running)
      await repeatedJobs(running)
      await followedJobs(running)
      await backgroundResponses(running)
      await unansweredJobs(running)
      await refusedJobs(running, queueType)
      await announcedWorkers(running)

      expect(refusalsIn(running)).toEqual([])
      expect(gateway.log.named('push.repaired')).toHaveLength(notifyConfig === 'set' ? 1 : 0)
      const asked = notifyConfig === 'set' ? [] : ['llm-gateway config|get']
      expect(await deniedBy(admin)).toEqual(asked)

      // And no right is left over.
      const used = await admin.info('commandstats')
      const isUnused = (command: string): boolean => !used.includes(`cmdstat_${command}:`)
      expect(commandsOf('llm-gateway').filter(isUnused)).toEqual([])
      expect(commandsOf('llm-worker').filter(isUnused)).toEqual([])
    },
    90_000,
  )

  test.each(OTHERS)('in %s, jobs are run, followed and cancelled', async (dialect) => {
    const running = await sceneIn(dialect)
    // As Celery's workers do.
    await running.channel.assertExchange('celery.pidbox', 'fanout', { durable: false })
    await answeredJobs(running)
    await repeatedJobs(running)
    await followedJobs(running)
    await backgroundResponses(running)
    await running.worker.end('SIGTERM')
    await running.gateway.log.until('worker.stopped')
    expect(refusalsIn(running)).toEqual([])
    expect(await deniedBy(running.admin)).toEqual(['llm-gateway config|get'])
  })
})

/** Until the gateway has declared a quorum queue, the worker is refused, and tries again. */
function refusalsIn({ gateway, worker }: Scene) {
  const since = worker.log.all.findIndex(({ msg }) => msg === 'worker.consuming')
  const lines = [...gateway.log.all, ...worker.log.all.slice(since)]
  return lines
    .filter((line) => {
      // What a worker reports is no refusal of a server.
      const text = JSON.stringify({ ...line, code: undefined })
      return /NOPERM|ACCESS.REFUSED|permission|_failed"/.test(text)
    })
    .filter(({ msg }) => msg !== 'push.config_forbidden')
}

async function deniedBy(admin: Scene['admin']): Promise<string[]> {
  const denied = (await admin.aclLog()).map(({ username, object }) => `${username} ${object}`)
  const known = ['llm-gateway client|setinfo', 'llm-worker client|setinfo']
  return denied.filter((entry) => !known.includes(entry))
}

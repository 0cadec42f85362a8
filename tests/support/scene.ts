import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { createClient } from 'redis'
import { inject, onTestFinished } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { startServer } from '../../src/server.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Lines } from '../../dev/lines.ts'
import { eventually } from './eventually.ts'
import { claimRecord, deltasKey } from './record.ts'
import type { Channel } from 'amqplib'
import type { Env } from '../../src/config.ts'
import type { RunningServer } from '../../src/server.ts'
import type { ClaimRecord } from './record.ts'

export type Settings = Record<string, string>

/** Settings of a test's own: its queue and keys are no other test's. */
export function freshSettings(): Settings & { QUEUE_NAME: string; REDIS_PREFIX: string } {
  const id = randomUUID().slice(0, 8)
  return {
    ...inject('services'),
    API_PORT: '0',
    QUEUE_NAME: `queue-${id}`,
    REDIS_PREFIX: `test-${id}`,
    TIMEOUT: '10',
    STOP_GRACE_S: '1',
    LEAVE_GRACE_S: '0',
  }
}

export interface TestGateway extends RunningServer {
  readonly log: Lines
}

/** The gateway in this process, on a free port; ready, unless told not to wait. Closed after the test. */
export async function startGateway(
  settings: Env,
  { untilReady = true } = {},
): Promise<TestGateway> {
  const lines = new Lines()
  const server = await startServer(readConfig(settings), createLog('debug', lines))
  const gateway = { ...server, log: lines }
  onTestFinished(() => server.close(0))
  if (untilReady) await eventually('the gateway is ready', () => isReady(gateway.url))
  return gateway
}

export async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).ok
}

export type TestRedis = Awaited<ReturnType<typeof testRedis>>

/** A client of the tests' own; closed after the test. */
export async function testRedis(url: string = inject('services').REDIS_URL) {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.destroy())
  return client
}

/** A channel of the tests' own; its connection is closed after the test. */
export async function testChannel(
  url: string = inject('services').RABBIT_MQ_URL,
): Promise<Channel> {
  const connection = await connect(url, { noDelay: true })
  connection.on('error', () => {})
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  onTestFinished(() => connection.close().catch(() => {}))
  return channel
}

/** A queue and keys of the test's own, both servers at hand, and what is in them. */
export async function testScene(more: Settings = {}) {
  const settings = { ...freshSettings(), ...more }
  const [redis, channel] = await Promise.all([
    testRedis(settings.REDIS_URL),
    testChannel(settings.RABBIT_MQ_URL),
  ])
  const key = (id: string): string => `${settings.REDIS_PREFIX}:${id}`
  return {
    settings,
    redis,
    channel,
    /** Where the result of a job is written in protollm 1.0. */
    key,
    claim: (id: string): ClaimRecord => claimRecord(redis, key(id)),
    /** As a worker that writes a result. */
    answer: (id: string, result: object) => redis.set(key(id), JSON.stringify(result)),
    /** As a worker that streams. */
    stream: (id: string, fields: Record<string, string>) =>
      redis.xAdd(deltasKey(key(id)), '*', fields),
    /** Messages that wait in the queue. */
    depth: async () => (await channel.checkQueue(settings.QUEUE_NAME)).messageCount,
    /** As a worker that takes the next message. */
    take: () =>
      eventually('a message', async () => {
        const message = await channel.get(settings.QUEUE_NAME, { noAck: true })
        return message === false ? null : message
      }),
  }
}

export interface Task {
  readonly id: string
  readonly content: string
  readonly run: string
}

/**
 * A worker as protollm 1.0 has it: takes everything at once, acknowledges on
 * delivery, writes `{"content": …}` with a plain SET and knows nothing of runs.
 * `reply` gives the content to write, or undefined to stay silent.
 */
export async function startPlainWorker(
  settings: Settings & { QUEUE_NAME: string; REDIS_PREFIX: string },
  reply: (task: Task) => string | undefined | Promise<string | undefined>,
): Promise<{ readonly tasks: Task[] }> {
  const { QUEUE_NAME: queue, REDIS_PREFIX: prefix, RABBIT_MQ_URL, REDIS_URL } = settings
  const [channel, redis] = await Promise.all([testChannel(RABBIT_MQ_URL), testRedis(REDIS_URL)])
  await channel.assertQueue(queue, { durable: false })
  const tasks: Task[] = []
  const take = async (task: Task): Promise<void> => {
    const content = await reply(task)
    if (content === undefined) return
    await redis.set(`${prefix}:${task.id}`, JSON.stringify({ content }))
  }
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return
      const task = taskOf(message.content.toString(), String(message.properties.correlationId))
      tasks.push(task)
      void take(task)
    },
    { noAck: true },
  )
  return { tasks }
}

function taskOf(text: string, run: string): Task {
  const { id, kwargs } = JSON.parse(text) as {
    id: string
    kwargs: { prompt: { messages: { content: string }[] } }
  }
  return { id, run, content: kwargs.prompt.messages.at(-1)?.content ?? '' }
}

import { connect } from 'amqplib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { claimKey } from '../support/record.ts'
import { testChannel, testRedis } from '../support/scene.ts'
import { ownRedis, rabbitmqOfFile } from '../support/servers.ts'
import { grantOnRabbitmq, grantOnRedis, urlFor } from './support/deploy.ts'
import type { Channel } from 'amqplib'

describe('no login of deploy/redis', () => {
  const script = (command: string): string[] => ['EVAL', `return redis.call(${command})`, '0']
  const NOT_OURS = [
    ['GET', 'other:1'],
    ['SET', 'llm-apis:1', 'x'],
    ['GET', claimKey('other:1')],
    script("'GET', 'other:1'"),
    script("'FLUSHALL'"),
    ['FLUSHALL'],
    ['KEYS', '*'],
    ['CONFIG', 'GET', 'requirepass'],
    ['CONFIG', 'SET', 'dir', '/tmp'],
    ['ACL', 'LIST'],
    ['CLIENT', 'KILL', 'TYPE', 'normal'],
    ['MONITOR'],
    ['SHUTDOWN', 'NOSAVE'],
    ['SUBSCRIBE', '__keyspace@0__:other:1'],
    ['PSUBSCRIBE', '*'],
    ['PUBLISH', 'other', 'x'],
  ]
  const NOT_THE_WORKERS = [
    // The gateway's sweep needs it, and Redis knows no right to scan some keys alone.
    ['SCAN', '0'],
    ['GET', 'llm-api:1'],
    ['DEL', 'llm-api:1'],
    ['SET', 'llm-api:@sweep', 'x'],
    ['EXISTS', 'llm-api:@probe:1'],
    ['SUBSCRIBE', '__keyspace@0__:llm-api:1'],
    ['PUBLISH', 'llm-api:@push-repaired', 'x'],
    ['PUBLISH', 'llm-api:@unanswered', 'x'],
    ['SUBSCRIBE', 'llm-api:@unanswered'],
    // It says what it serves itself, and hears and reads nothing of other workers.
    ['SUBSCRIBE', 'llm-api:@workers'],
    ['HGETALL', 'llm-api:@workers'],
    ['DEL', 'llm-api:@workers'],
    ['HSET', 'llm-api:@models', 'x', 'x'],
    ['HSET', 'llm-api:1', 'x', 'x'],
  ]

  test('reaches beyond its keys, channels and commands', async () => {
    const redis = await ownRedis()
    await grantOnRedis(redis)
    const denials = [
      { login: 'llm-gateway', commands: NOT_OURS },
      { login: 'llm-worker', commands: [...NOT_OURS, ...NOT_THE_WORKERS] },
    ]
    for (const { login, commands } of denials) {
      const client = await testRedis(urlFor(redis, login))
      for (const command of commands) {
        const reply = await client.sendCommand(command).then(String, String)
        expect(`${login} ${command.join(' ')}: ${reply}`).toMatch(
          /NOPERM|user executing the script/,
        )
      }
    }
    expect(await redis.control('PING')).toContain('NOAUTH')
  })
})

describe('no login of deploy/rabbitmq', () => {
  const rabbitmq = rabbitmqOfFile(async (server) => {
    await grantOnRabbitmq(server, {})
    await server.control('set_permissions', '-p', 'llm-api', 'guest', '.*', '.*', '.*')
  })

  /** The code with which the broker closes the channel over it. */
  async function refusal(login: string, work: (channel: Channel) => unknown): Promise<number> {
    const connection = await connect(urlFor(rabbitmq(), login, 'llm-api'))
    onTestFinished(() => connection.close().catch(() => {}))
    connection.on('error', () => {})
    const channel = await connection.createChannel()
    return new Promise((resolve) => {
      channel.on('error', ({ code }: { code: number }) => resolve(code))
      // An answer to a call behind it proves that there was no refusal.
      void Promise.resolve(work(channel))
        .then(() => channel.checkExchange('amq.topic'))
        .then(() => resolve(0))
        .catch(() => {})
    })
  }
  const body = Buffer.from('x')

  test.each<[login: string, what: string, work: (channel: Channel) => unknown]>([
    ['llm-gateway', 'declare another queue', (c) => c.assertQueue('another')],
    ['llm-gateway', 'declare a queue of a longer name', (c) => c.assertQueue('llm-api-queue-2')],
    ['llm-gateway', 'declare an exchange', (c) => c.assertExchange('another', 'fanout')],
    ['llm-gateway', 'publish to another exchange', (c) => c.publish('amq.topic', 'x', body)],
    ['llm-gateway', 'take jobs', (c) => c.consume('llm-api-queue', () => {})],
    ['llm-gateway', 'throw jobs away', (c) => c.purgeQueue('llm-api-queue')],
    ['llm-worker', 'declare another queue', (c) => c.assertQueue('another')],
    ['llm-worker', 'publish a job', (c) => c.sendToQueue('llm-api-queue', body)],
    ['llm-worker', 'publish to another exchange', (c) => c.publish('amq.fanout', '', body)],
    ['llm-worker', 'take what is not of its queues', (c) => c.consume('another', () => {})],
  ])('lets %s %s', async (login, _, work) => {
    const admin = await testChannel(`${rabbitmq().url}/llm-api`)
    for (const queue of ['another', 'llm-api-queue'])
      await admin.assertQueue(queue, { durable: false })
    expect(await refusal(login, work)).toBe(403)
  })

  test.each(['llm-gateway', 'llm-worker'])('lets %s into another virtual host', async (login) => {
    await expect(connect(urlFor(rabbitmq(), login, '/'))).rejects.toThrow(/ConnectionClose/)
  })
})

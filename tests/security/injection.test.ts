import { describe, expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'
import { readWorkerConfig } from '../../worker-stub/config.ts'
import { generate, post } from '../support/http-client.ts'
import { startProgram } from '../support/program.ts'
import {
  freshSettings,
  startGateway,
  startPlainWorker,
  testChannel,
  testRedis,
} from '../support/scene.ts'

/** A gateway, and what a request may have left behind on both servers. */
async function scene() {
  const settings = { ...freshSettings(), ALLOWED_QUEUES: '' }
  const other = `${settings.QUEUE_NAME}-other`
  const [channel, redis] = await Promise.all([testChannel(), testRedis()])
  await channel.assertQueue(other, { autoDelete: true })
  const gateway = await startGateway(settings)
  const traces = async () => {
    const keys = await redis.keys(`*${settings.REDIS_PREFIX}*`)
    return {
      keys: keys.filter((key) => !key.startsWith(`${settings.REDIS_PREFIX}:@probe:`)),
      published: (await channel.checkQueue(settings.QUEUE_NAME)).messageCount,
      misled: (await channel.checkQueue(other)).messageCount,
      subscriptions: gateway.load().subscriptions,
    }
  }
  return { settings, gateway, redis, other, traces }
}

/** The probe's subscription is the only one. */
const NOTHING = { keys: [], published: 0, misled: 0, subscriptions: 1 }

const HOSTILE_IDS: [what: string, id: unknown][] = [
  ['a glob', '*'],
  ['a glob of one character', 'a?c'],
  ['a set of characters', '[a-z]'],
  ['an escaped glob', '\\*'],
  ['braces', '{a}'],
  ['the name of a claim', '{x}:claim'],
  ['a claim of another job', 'x}:claim'],
  ['the key of the probe', '@probe'],
  ['the probe of an instance', '@probe:1'],
  ['the index of the sweep', '@pending'],
  ['the channel of repairs', '@push-repaired'],
  ['a colon', 'a:b'],
  ['this directory', '.'],
  ['the directory above', '..'],
  ['a path', '../../etc/passwd'],
  ['an escaped path', '%2e%2e%2f'],
  ['CR LF', 'a\r\nSET b 1'],
  ['a trailing newline', 'a\n'],
  ['a leading newline', '\na'],
  ['NUL', 'a\0b'],
  ['a blank', 'a b'],
  ['a tab', 'a\tb'],
  ['Cyrillic letters', 'аbс'],
  ['a fullwidth asterisk', '＊'],
  ['a line separator', 'a\u2028b'],
  ['a combining mark', 'e\u0301'],
  ['half of a character', '\ud800'],
  ['an emoji', '🙂'],
  ['nothing', ''],
  ['129 characters', 'a'.repeat(129)],
  ['100,000 characters', 'a'.repeat(100_000)],
  ['a number', 1],
  ['a list', ['a']],
  ['an object', { toString: 'a' }],
  ['null', null],
  ['true', true],
]

describe('a job id', () => {
  test('that could mean something else to a key, a channel, a path or a line is a 422 and leaves no trace', async () => {
    const { gateway, traces } = await scene()
    for (const [what, job_id] of HOSTILE_IDS) {
      const chat = { job_id, meta: {}, messages: [{ role: 'user', content: 'x' }] }
      const replies = [
        await post(gateway.url, '/generate', { job_id, meta: {}, content: 'x' }),
        await post(gateway.url, '/chat_completion', chat),
      ]
      for (const { status, headers, body } of replies) {
        expect({ what, status, detail: body.detail }).toMatchObject({
          status: 422,
          detail: [{ loc: ['body', 'job_id'] }],
        })
        expect(headers.get('x-job-id')).toBeNull()
      }
    }
    expect(await traces()).toEqual(NOTHING)
  })

  test('of the allowed characters names exactly its own key', async () => {
    const { settings, gateway, redis, traces } = await scene()
    await startPlainWorker(settings, ({ id }) => `for ${id}`)
    for (const id of ['a.b', '...', '~', '-', '__proto__', 'a'.repeat(128)]) {
      expect((await generate(gateway.url, id, 'x')).body).toEqual({ content: `for ${id}` })
      expect(await redis.exists(`${settings.REDIS_PREFIX}:${id}`)).toBe(1)
    }
    expect((await traces()).misled).toBe(0)
  })
})

describe('the queue of a request', () => {
  test('is one of those allowed and no other, however it is written', async () => {
    const { settings, gateway, other, traces } = await scene()
    const { QUEUE_NAME: own } = settings
    const names = [
      other,
      '',
      'amq.direct',
      'amq.rabbitmq.reply-to',
      `${own}.dead`,
      `${own} `,
      `${own}\r\n`,
      `${own}\0`,
      `${own},${other}`,
      own.toUpperCase(),
      'x'.repeat(5_000),
      '__proto__',
    ]
    for (const name of names) {
      const query = `?queue_name=${encodeURIComponent(name)}`
      const reply = await post(gateway.url, `/generate${query}`, {
        job_id: 'j',
        meta: {},
        content: 'x',
      })
      expect({ name, status: reply.status, detail: reply.body.detail }).toMatchObject({
        status: 422,
        detail: [{ loc: ['query', 'queue_name'] }],
      })
    }
    expect(await traces()).toEqual(NOTHING)
  })

  test('cannot be smuggled past the check by naming it twice, or in the body', async () => {
    const { settings, gateway, other, traces } = await scene()
    const worker = await startPlainWorker(settings, () => 'x')
    const twice = `?queue_name=${settings.QUEUE_NAME}&queue_name=${other}`
    const body = { job_id: 'q-1', meta: { queue_name: other }, content: 'x', queue_name: other }
    expect((await post(gateway.url, `/generate${twice}`, body)).status).toBe(200)
    expect(worker.tasks).toHaveLength(1)
    expect((await traces()).misled).toBe(0)
  })
})

describe('a prefix of keys', () => {
  test.each(['*', '?', '[', ']', '{', '}', '\\', ' ', '\n'])(
    'with %j is refused at the start, by gateway and worker',
    (character) => {
      const settings = { REDIS_PREFIX: `canary${character}x` }
      for (const read of [readConfig, readWorkerConfig]) {
        expect(() => read(settings)).toThrow(ConfigError)
        expect(() => read(settings)).toThrow(/^REDIS_PREFIX (?!.*canary)/)
      }
    },
  )

  test('with a glob ends the program as a bad setting does', async () => {
    const program = startProgram('src/main.ts', { ...freshSettings(), REDIS_PREFIX: 'a*' })
    expect(await program.ended).toBe(78)
  })
})

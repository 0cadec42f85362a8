import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-client.ts'
import { freshSettings, startGateway, testChannel, testRedis } from '../support/scene.ts'

/** Keys that mean something to an object, each with a canary in it. */
const POISON = `"__proto__":{"canary":1},"constructor":{"prototype":{"canary":1}},"prototype":{"canary":1},"toString":"canary","canary":1,"queue":"canary","owner":"canary"`

/** A gateway whose messages are seen as they are on the wire, and answered. */
async function scene() {
  const settings = freshSettings()
  const [channel, redis] = await Promise.all([testChannel(), testRedis()])
  const gateway = await startGateway(settings)
  const published: string[] = []
  await channel.consume(
    settings.QUEUE_NAME,
    (message) => {
      const text = message?.content.toString() ?? ''
      published.push(text)
      const { id } = JSON.parse(text) as { id: string }
      void redis.set(`${settings.REDIS_PREFIX}:${id}`, `{${POISON},"content":"fine"}`)
    },
    { noAck: true },
  )
  return { gateway, published }
}

function expectNoPollution(): void {
  const anything = {} as { canary?: unknown }
  expect(anything.canary).toBeUndefined()
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(Object.prototype.toString.call(anything)).toBe('[object Object]')
}

/** Exactly what protollm_api publishes, field by field. */
const taskOf = (id: string, meta: object, messages: readonly object[]) => ({
  type: 'task',
  task: 'generate',
  args: [],
  kwargs: { prompt: { job_id: id, meta, messages }, prompt_type: 'chat_completion' },
  id,
  retries: 0,
  eta: null,
})
/** What a client may send to workers of its own in `meta`: all of the above but the key that would change an object. */
const CARRIED = {
  constructor: { prototype: { canary: 1 } },
  prototype: { canary: 1 },
  toString: 'canary',
  canary: 1,
  queue: 'canary',
  owner: 'canary',
}
const DEFAULTS = { temperature: 0.2, tokens_limit: 8096, stop_words: null, model: null }

test.each([
  [
    '/generate',
    `{${POISON},"job_id":"s-1","meta":{${POISON}},"content":"x"}`,
    taskOf('s-1', { ...CARRIED, ...DEFAULTS }, [{ role: 'user', content: 'x' }]),
  ],
  [
    '/chat_completion',
    `{${POISON},"job_id":"s-2","source":"x","meta":{${POISON},"model":"m"},"messages":[{${POISON},"role":"user","content":"x"}]}`,
    taskOf('s-2', { ...CARRIED, ...DEFAULTS, model: 'm' }, [{ role: 'user', content: 'x' }]),
  ],
])(
  '%s: what no schema names reaches no worker except in meta, changes no object, and comes back in no answer',
  async (path, body, task) => {
    const { gateway, published } = await scene()
    const reply = await post(gateway.url, path, body)
    // Neither do the fields that no client asked a worker for.
    expect({ status: reply.status, body: reply.body }).toEqual({
      status: 200,
      body: { content: 'fine' },
    })
    expect(published.map((text) => JSON.parse(text) as unknown)).toEqual([task])
    expect(published.join()).not.toContain('__proto__')
    const withoutMeta = published.join().replace(/"meta":.*?,"messages"/, '"messages"')
    expect(withoutMeta).not.toContain('canary')
    expectNoPollution()
  },
)

test('what a prototype would lend is no field of a request', async () => {
  const { gateway, published } = await scene()
  const bodies = [
    '{"__proto__":{"job_id":"s-3","meta":{},"content":"x"}}',
    '{"job_id":"s-3","__proto__":{"content":"x"},"meta":{}}',
    '{"job_id":"s-3","meta":{"__proto__":{"model":1}},"__proto__":{"content":"x"}}',
    '{"constructor":{"prototype":{"content":"x"}},"job_id":"s-3","meta":{}}',
  ]
  for (const body of bodies) expect((await post(gateway.url, '/generate', body)).status).toBe(422)
  const chat = '{"job_id":"s-3","meta":{},"messages":[{"role":"user","__proto__":{"content":"x"}}]}'
  expect((await post(gateway.url, '/chat_completion', chat)).status).toBe(422)
  expect(published).toEqual([])
  expectNoPollution()
})

test('a name of a prototype is an id, a role and a text like any other', async () => {
  const { gateway, published } = await scene()
  for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'then']) {
    const messages = [{ role: name, content: name }]
    const reply = await post(gateway.url, '/chat_completion', { job_id: name, meta: {}, messages })
    expect(reply.body).toEqual({ content: 'fine' })
    expect(JSON.parse(published.at(-1) ?? '')).toEqual(taskOf(name, DEFAULTS, messages))
  }
  await eventually('no request is held', () => gateway.load().pending === 0)
  expectNoPollution()
})

test('of a field given twice, the one that was checked is the one that is published', async () => {
  const { gateway, published } = await scene()
  const bad = '{"job_id":"s-4","meta":{},"content":"x","job_id":"../b"}'
  expect((await post(gateway.url, '/generate', bad)).status).toBe(422)
  const good = '{"job_id":"../b","meta":{},"content":"x","job_id":"s-4"}'
  expect((await post(gateway.url, '/generate', good)).status).toBe(200)
  expect(published.map((text) => (JSON.parse(text) as { id: string }).id)).toEqual(['s-4'])
})

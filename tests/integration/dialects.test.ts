import { describe, expect, test } from 'vitest'
import { dialects } from '../../src/dialects/index.ts'
import { dialectSettings } from '../support/dialects.ts'
import { eventually } from '../support/eventually.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { startGateway, testChannel, testRedis } from '../support/scene.ts'
import { speaker, startWorker, untilAborted } from '../support/worker-stub.ts'
import type { DialectName } from '../../src/dialects/index.ts'
import type { Engine } from '../../worker-stub/engine.ts'

const names = Object.keys(dialects) as DialectName[]

/** Echoes, but fails what asks for it. */
const engine: Engine = {
  run: async ({ messages }) => {
    const content = messages.at(-1)?.content ?? ''
    return content === 'fail'
      ? { kind: 'failed', type: 'Exception', message: 'as it was told' }
      : { kind: 'succeeded', content }
  },
}

describe.each(names)('gateway and stub, in %s', (dialect) => {
  test('a job is answered once, its failure is reported, and the same again is replayed or starts a new run', async () => {
    const settings = dialectSettings(dialect)
    const { gateway, id } = await both(settings, engine)
    expect(await generate(gateway.url, id('fine'), 'fine… «ИИ»')).toMatchObject({
      status: 200,
      body: { content: 'fine… «ИИ»' },
    })
    const again = await generate(gateway.url, id('fine'), 'fine… «ИИ»')
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const failed = await generate(gateway.url, id('bad'), 'fail')
    expect(failed).toMatchObject({ status: 502, body: { code: 'worker_failed' } })
    expect(failed.body.detail).toContain('as it was told')
    expect((await ask(`${gateway.url}/jobs/${id('bad')}`, 'GET')).body).toMatchObject({
      status: 'failed',
      outcome: { error: { type: 'Exception', message: 'as it was told' } },
    })
    expect((await generate(gateway.url, id('bad'), 'another')).status).toBe(200)
  })

  test('a job that is left is found by its id, and everything it wrote has a time to live', async () => {
    const settings = dialectSettings(dialect)
    const { gateway } = await both(settings, engine)
    const { status, body } = await submit(gateway.url, { content: 'fine' })
    // It may have ended before the broker's confirm was here.
    expect([200, 202]).toContain(status)
    const held = await ask(`${gateway.url}/jobs/${body.job_id}`, 'GET', undefined, {
      prefer: 'wait=9',
    })
    expect(held.body).toMatchObject({ status: 'succeeded', outcome: { content: 'fine' } })
    const redis = await testRedis()
    const keys = await redis.keys(`*${body.job_id}*`)
    expect(keys.length).toBeGreaterThan(1)
    const lives = await Promise.all(keys.map((key) => redis.pTTL(key)))
    expect(Math.min(...lives)).toBeGreaterThan(0)
  })

  test('a running job is cancelled: its engine stops, and its outcome stays', async () => {
    const settings = dialectSettings(dialect)
    let [isRunning, isAborted] = [false, false]
    const forEver = speaker(async (_, signal) => {
      isRunning = true
      signal.addEventListener('abort', () => (isAborted = true))
      return untilAborted(signal)
    })
    const { gateway, id } = await both(settings, forEver)
    const waiting = generate(gateway.url, id('long'), 'x')
    const url = `${gateway.url}/jobs/${id('long')}`
    await eventually('the engine runs', () => isRunning)
    expect((await ask(url, 'DELETE')).body.status).toBe('cancelled')
    expect(await waiting).toMatchObject({ status: 409, body: { code: 'job_cancelled' } })
    await eventually('it stops', () => isAborted)
    expect((await ask(url, 'GET')).body.status).toBe('cancelled')
  })

  test('a job whose queue has gone was not accepted, and leaves nothing that stays', async () => {
    const settings = dialectSettings(dialect)
    const gateway = await startGateway(settings)
    const [channel, redis] = [await testChannel(), await testRedis()]
    const id = `${settings.REDIS_PREFIX}-gone`
    await channel.deleteQueue(settings.QUEUE_NAME)
    expect(await generate(gateway.url, id, 'x')).toMatchObject({
      status: 503,
      body: { code: 'no_such_queue' },
    })
    // The status that a protollm 1.1 worker looks for: the message of an earlier run may still come.
    const left = await redis.keys(`*${id}*`)
    expect(left.filter((key) => !key.startsWith(settings.REDIS_PREFIX_FOR_STATUS))).toEqual([])
    for (const key of left) expect(await redis.pTTL(key)).toBeGreaterThan(0)
  })
})

async function both(settings: ReturnType<typeof dialectSettings>, ofWorker: Engine) {
  await startWorker(settings, ofWorker)
  const gateway = await startGateway(settings)
  const id = (name: string): string => `${settings.REDIS_PREFIX}-${name}`
  return { gateway, id }
}

import { describe, expect, onTestFinished, test } from 'vitest'
import { dialectScene } from '../support/dialects.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents } from '../support/events.ts'
import { closedGate } from '../support/gate.ts'
import { ask, generate, leavable, submit } from '../support/http-client.ts'
import { startGateway } from '../support/scene.ts'
import { speaker, startWorker } from '../support/worker-stub.ts'

const JOB_TTL_S = 60

/** Two replicas that speak protollm 1.1. Its worker finds the status before the message, or gives that back for ever. */
async function scene() {
  const common = await dialectScene('protollm-v1.1', {
    JOB_TTL_S: String(JOB_TTL_S),
    // As short as it may be.
    RESULT_TTL_S: String(JOB_TTL_S),
  })
  const { redis, settings, statusKey, answerKey, id } = common
  const other = await startGateway(settings)
  const key = statusKey(id('x'))
  const status = () => redis.get(key)
  /** As the worker of protollm 1.1 writes it: again, and without a time to live. */
  const tell = async (name: string): Promise<string> => {
    const fields = { status: name, last_update: 'by the worker', status_message: null }
    const value = JSON.stringify({ ...fields, is_completed: name === 'completed', error: null })
    await redis.set(key, value)
    return value
  }
  const answer = (result: string) => redis.set(answerKey(id('x')), JSON.stringify({ result }))
  return { ...common, other, key, name: id('x'), status, tell, answer }
}

describe('the status that a worker has written', () => {
  test.each(['in_progress', 'completed'])(
    'is not overwritten by a second request for the same job, while it is %s',
    async (state) => {
      const { gateway, other, name, take, depth, status, tell, answer } = await scene()
      const first = generate(gateway.url, name, 'x')
      await take()
      const written = await tell(state)
      // By a request that waits, one that comes back later, one that looks, on both replicas.
      const second = generate(other.url, name, 'x')
      const submitted = await submit(other.url, { job_id: name, content: 'x' })
      expect(submitted).toMatchObject({ status: 202, body: { status: 'running' } })
      await ask(`${gateway.url}/jobs/${name}`, 'GET')
      await eventually('both wait', () => other.load().pending === 1)
      expect(await status()).toBe(written)
      expect(await depth()).toBe(0)
      await answer('fine')
      for (const { body } of await Promise.all([first, second])) {
        expect(body).toEqual({ content: 'fine' })
      }
      expect(await status()).toBe(written)
    },
  )

  test('is not overwritten by a request that comes when the job has finished', async () => {
    const { gateway, other, name, redis, key, take, depth, status, tell, answer } = await scene()
    const first = generate(gateway.url, name, 'x')
    await take()
    const written = await tell('completed')
    await answer('fine')
    await first
    for (const { url } of [gateway, other]) {
      expect((await generate(url, name, 'x')).body).toEqual({ content: 'fine' })
      expect((await submit(url, { job_id: name, content: 'x' })).body.status).toBe('succeeded')
    }
    expect(await status()).toBe(written)
    expect(await depth()).toBe(0)
    expect(await redis.pTTL(key)).toBeGreaterThan(0)
  })

  test('is left as it is where another payload is refused for its sake', async () => {
    const { gateway, other, name, take, status, tell, answer } = await scene()
    const first = generate(gateway.url, name, 'x')
    await take()
    const written = await tell('in_progress')
    const refused = await generate(other.url, name, 'another')
    expect(refused.body.code).toBe('job_conflict')
    expect(await status()).toBe(written)
    await answer('fine')
    await first
  })
})

describe('the life of a status', () => {
  test('is never shorter than that of the message, whatever is asked while the job is pending', async () => {
    const { gateway, other, name, redis, key, take } = await scene()
    await submit(gateway.url, { job_id: name, content: 'x' })
    const { properties } = await take()
    const published = performance.now()
    /** What the broker would give a message that came back now. */
    const messageMs = (): number => Number(properties.expiration) - (performance.now() - published)
    const url = `${other.url}/jobs/${name}`
    const asks: Readonly<Record<string, () => Promise<unknown>>> = {
      'it is published': async () => {},
      'a look': () => ask(url, 'GET'),
      'a request that joins': () => submit(other.url, { job_id: name, content: 'x' }),
      'a request that is held': () => ask(url, 'GET', undefined, { prefer: 'wait=1' }),
      'a client that leaves': async () => {
        const { leave, left } = leavable(other.url, name)
        await eventually('it waits', () => other.load().pending === 1)
        leave()
        await left
      },
      'a reader of events': async () => {
        const reader = await readEvents(`${url}/events`)
        await eventually('it follows', () => other.load().pending === 1)
        reader.leave()
      },
      'a second look, of the other replica': () => ask(`${gateway.url}/jobs/${name}`, 'GET'),
    }
    for (const [what, asked] of Object.entries(asks)) {
      await asked()
      const [lifeMs, leastMs] = [await redis.pTTL(key), messageMs()]
      expect([what, lifeMs >= leastMs]).toEqual([what, true])
    }
  })

  test('stays as it was where the stub tells that it runs', async () => {
    const { settings, gateway, name, redis, key, status } = await scene()
    const gate = closedGate()
    await submit(gateway.url, { job_id: name, content: 'x' })
    const before = await redis.pTTL(key)
    const { log } = await startWorker(
      { ...settings, RESULT_TTL_S: '1' },
      speaker(async () => {
        await gate.opened
        return 'fine'
      }),
    )
    onTestFinished(() => gate.open())
    await eventually('it runs', async () => (await status())?.includes('in_progress'))
    expect(await redis.pTTL(key)).toBeGreaterThan(JOB_TTL_S * 1_000)
    expect(await redis.pTTL(key)).toBeLessThanOrEqual(before)
    gate.open()
    await log.until('job.done')
    expect(await redis.pTTL(key)).toBeGreaterThan(JOB_TTL_S * 1_000)
  })

  test('is that of the message at least, where a cancelled one is still in the queue', async () => {
    const { gateway, name, redis, key, channel, settings } = await scene()
    await submit(gateway.url, { job_id: name, content: 'x' })
    await ask(`${gateway.url}/jobs/${name}`, 'DELETE')
    const message = await channel.get(settings.QUEUE_NAME, { noAck: true })
    expect(message).not.toBe(false)
    expect(await redis.pTTL(key)).toBeGreaterThan((JOB_TTL_S - 1) * 1_000)
  })
})

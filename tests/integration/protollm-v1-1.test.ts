import { expect, test } from 'vitest'
import { dialectScene } from '../support/dialects.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents } from '../support/events.ts'
import { ask, submit } from '../support/jobs.ts'
import { generate } from '../support/scene.ts'

const statusOf = (status: string, error: object | null = null): string =>
  JSON.stringify({ status, last_update: '', status_message: null, is_completed: false, error })

async function scene(more: Record<string, string> = {}) {
  const { redis, channel, settings, ...rest } = await dialectScene('protollm-v1.1', more)
  const { statusKey, answerKey, gateway } = rest
  const setStatus = (id: string, status: string, error?: object) =>
    redis.set(statusKey(id), statusOf(status, error))
  const answer = (id: string, result: string) =>
    redis.set(answerKey(id), JSON.stringify({ result }))
  const take = () =>
    eventually('a message', async () => {
      const message = await channel.get(settings.QUEUE_NAME, { noAck: true })
      return message === false ? null : message
    })
  const view = async (id: string) => (await ask(`${gateway.url}/jobs/${id}`, 'GET')).body.status
  return { ...rest, redis, channel, settings, setStatus, answer, take, view }
}

test('its status stands before the message, and lives longer than that', async () => {
  const { id, take, redis, statusKey, settings, gateway } = await scene({ JOB_TTL_S: '60' })
  await submit(gateway.url, { content: 'made here' })
  await submit(gateway.url, { job_id: id('x'), content: 'x', priority: 4 })
  const [made, chosen] = [await take(), await take()].toSorted(
    (a, b) => a.properties.priority - b.properties.priority,
  )
  expect(made?.properties.priority).toBe(1)
  expect(chosen?.properties.priority).toBe(4)
  const expires = Number(chosen?.properties.expiration)
  expect(expires).toBeLessThanOrEqual(60_000)
  expect(await redis.pTTL(statusKey(id('x')))).toBeGreaterThan(expires)
  expect(JSON.parse(String(await redis.get(`prompt:${id('x')}`)))).toMatchObject({ priority: 4 })
  expect(await redis.get(statusKey(String(made?.properties.messageId)))).toContain('"pending"')
  expect(settings.DIALECT).toBe('protollm-v1.1')
})

test('completed without an answer is no end', async () => {
  const { id, take, setStatus, answer, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  await setStatus(id('x'), 'in_progress')
  await setStatus(id('x'), 'completed')
  const late = submit(gateway.url, { job_id: id('x'), content: 'x' })
  expect((await late).body.status).toBe('queued')
  await answer(id('x'), 'fine')
  expect(await waiting).toMatchObject({ status: 200, body: { content: 'fine' } })
})

test('an error that only the status tells is a 502 with its message', async () => {
  const { id, take, setStatus, redis, statusKey, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  await setStatus(id('x'), 'error', { type: 'Exception', msg: 'Simulated processing error' })
  const { status, body } = await waiting
  expect({ status, code: body.code }).toEqual({ status: 502, code: 'worker_failed' })
  expect(body.detail).toContain('Simulated processing error')
  await eventually('it will go', async () => (await redis.pTTL(statusKey(id('x')))) > 0)
})

test('pending and in_progress are told as they happen, by view and by events', async () => {
  const { id, take, setStatus, answer, view, gateway } = await scene()
  await submit(gateway.url, { job_id: id('x'), content: 'x' })
  const events = await readEvents(`${gateway.url}/jobs/${id('x')}/events`)
  expect(await view(id('x'))).toBe('queued')
  await take()
  await setStatus(id('x'), 'in_progress')
  expect(await view(id('x'))).toBe('running')
  await setStatus(id('x'), 'completed')
  expect(await view(id('x'))).toBe('running')
  await answer(id('x'), 'fine')
  expect(await view(id('x'))).toBe('succeeded')
  const told = (await events.all()).map(({ event, data }) => [event, data.status])
  expect(told.filter(([event]) => event === 'status')).toEqual([
    ['status', 'queued'],
    ['status', 'running'],
  ])
  expect(told.at(-1)?.[0]).toBe('done')
})

test('a claim whose replica died before the publish is taken over, though a status stands there', async () => {
  const { id, take, redis, answer, view, statusKey, gateway } = await scene()
  const body = { job_id: id('x'), content: 'x' }
  await submit(gateway.url, body)
  await take()
  // As if that replica had died between the claim and the publish, more than the grace ago.
  await redis.hSet(`{${statusKey(id('x'))}}:claim`, { state: 'claimed', since: '0' })
  expect((await submit(gateway.url, body)).status).toBe(202)
  expect((await take()).properties.messageId).toBe(id('x'))
  await answer(id('x'), 'fine')
  expect(await view(id('x'))).toBe('succeeded')
})

test('a new run begins with a status of its own, and without the old answer', async () => {
  const { id, take, setStatus, answer, redis, statusKey, answerKey, gateway } = await scene()
  const failed = generate(gateway.url, id('x'), 'x')
  await take()
  await setStatus(id('x'), 'error', { type: 'Exception', msg: 'no' })
  expect((await failed).status).toBe(502)
  await answer(id('x'), 'stale')
  const again = generate(gateway.url, id('x'), 'x')
  await take()
  expect(await redis.get(answerKey(id('x')))).toBeNull()
  expect(await redis.get(statusKey(id('x')))).toContain('"pending"')
  await answer(id('x'), 'fresh')
  expect(await again).toMatchObject({ status: 200, body: { content: 'fresh' } })
})

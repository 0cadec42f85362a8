import { expect, test } from 'vitest'
import { dialectScene } from '../support/dialects.ts'
import { eventually } from '../support/eventually.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { counted } from '../support/metrics.ts'

const meta = (status: string, result: unknown): string =>
  JSON.stringify({ status, result, traceback: 'canary', children: [], task_id: '' })

async function scene() {
  const { redis, ...rest } = await dialectScene('celery-v2')
  const { metaKey, gateway } = rest
  /** As Celery's backend writes it: two events on the key, and the value on a channel of that name. */
  const store = async (id: string, status: string, result: unknown): Promise<void> => {
    const value = meta(status, result)
    await redis.multi().setEx(metaKey(id), 86_400, value).publish(metaKey(id), value).exec()
  }
  const reads = () => counted(gateway.url, 'gateway_result_reads_total')
  return { ...rest, redis, store, reads }
}

test('the message is a Celery task that expires with the job, and names its run beside its id', async () => {
  const { id, take, store, claim, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  const { properties } = await take()
  const run = await claim(id('x')).run()
  expect(properties).toMatchObject({
    correlationId: id('x'),
    contentType: 'application/json',
    headers: { id: id('x'), task: 'generate', gateway_run: run },
  })
  const expires = Date.parse(String(properties.headers?.expires)) - Date.now()
  expect(Math.abs(expires - Number(properties.expiration))).toBeLessThan(5_000)
  await store(id('x'), 'SUCCESS', { content: 'fine' })
  expect(await waiting).toMatchObject({ status: 200, body: { content: 'fine' } })
})

test('the two events of a SETEX lead to one read', async () => {
  const { id, take, store, reads, gateway } = await scene()
  const before = await reads()
  const waiting = Array.from({ length: 20 }, (_, index) =>
    generate(gateway.url, id(`${index}`), 'x'),
  )
  for (const _ of waiting) {
    const { properties } = await take()
    await store(String(properties.messageId), 'SUCCESS', { content: 'fine' })
  }
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(waiting.map(() => 200))
  expect((await reads()) - before).toBe(20)
})

test('RETRY and states of the task’s own are no end; a failure has no traceback', async () => {
  const { id, take, store, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  const view = async () => (await ask(`${gateway.url}/jobs/${id('x')}`, 'GET')).body.status
  await store(id('x'), 'RETRY', { exc_type: 'OSError', exc_message: ['busy'] })
  expect(await view()).toBe('queued')
  await store(id('x'), 'PROGRESS', { done: 3 })
  expect(await view()).toBe('running')
  await store(id('x'), 'FAILURE', { exc_type: 'ValueError', exc_message: ['bad prompt'] })
  const { status, body } = await waiting
  expect({ status, code: body.code }).toEqual({ status: 502, code: 'worker_failed' })
  expect(body.detail).toContain('bad prompt')
  expect(JSON.stringify(body)).not.toContain('canary')
})

test('a task revoked by another program is cancelled', async () => {
  const { id, take, store, gateway } = await scene()
  const waiting = generate(gateway.url, id('x'), 'x')
  await take()
  await store(id('x'), 'REVOKED', { exc_type: 'TaskRevokedError', exc_message: ['revoked'] })
  expect(await waiting).toMatchObject({ status: 409, body: { code: 'job_cancelled' } })
})

test('a cancel reaches the workers; where none has ever been, nothing breaks', async () => {
  const { id, channel, take, gateway } = await scene()
  await channel.deleteExchange('celery.pidbox')
  await submit(gateway.url, { job_id: id('no-worker'), content: 'x' })
  const untold = await ask(`${gateway.url}/jobs/${id('no-worker')}`, 'DELETE')
  expect(untold.body.status).toBe('cancelled')
  await gateway.log.until('broker.broadcast_failed')
  await channel.assertExchange('celery.pidbox', 'fanout', { durable: false })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, 'celery.pidbox', '')
  await submit(gateway.url, { job_id: id('told'), content: 'x' })
  await ask(`${gateway.url}/jobs/${id('told')}`, 'DELETE')
  const message = await eventually('the revoke', async () => (await channel.get(queue)) || null)
  const { arguments: revoked } = JSON.parse(message.content.toString()) as {
    arguments: { headers: Record<string, string[]> }
  }
  const sent = [await take(), await take()].map(({ properties }) => properties)
  const told = sent.find(({ messageId }) => messageId === id('told'))
  expect(revoked.headers).toEqual(told?.headers?.stamps)
  expect(message.properties.headers).toMatchObject({ clock: 0, expires: 0 })
})

test('what an earlier run of the same id returns late is not taken for this one’s', async () => {
  const { id, take, redis, metaKey, gateway } = await scene()
  const store = (run: unknown, content: string) =>
    redis.set(
      metaKey(id('x')),
      JSON.stringify({ status: 'SUCCESS', result: content, parent_id: run }),
    )
  await submit(gateway.url, { job_id: id('x'), content: 'x' })
  const earlier = (await take()).properties.headers?.parent_id
  await ask(`${gateway.url}/jobs/${id('x')}`, 'DELETE')
  const again = generate(gateway.url, id('x'), 'x')
  const { headers } = (await take()).properties
  await store(earlier, 'late')
  await gateway.log.until('job.foreign_run')
  await store(headers?.parent_id, 'fine')
  expect(await again).toMatchObject({ status: 200, body: { content: 'fine' } })
})

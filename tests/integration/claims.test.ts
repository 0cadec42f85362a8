import { inject, onTestFinished, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate, leavable } from '../support/http-client.ts'
import { isLong } from '../support/long.ts'
import { LinkProxy } from '../support/proxy.ts'
import { claimRecord } from '../support/record.ts'
import {
  freshSettings,
  startGateway,
  startPlainWorker,
  testChannel,
  testRedis,
} from '../support/scene.ts'

test('two requests of the same id and payload get the one outcome of one message', async () => {
  const settings = freshSettings()
  const worker = await startPlainWorker(settings, async ({ content }) => {
    await eventually('both requests are pending', () => gateway.load().pending === 2)
    return content
  })
  const gateway = await startGateway(settings)
  const replies = await Promise.all([1, 2].map(() => generate(gateway.url, 'b-1', 'x')))
  expect(replies.map(({ body }) => body)).toEqual([{ content: 'x' }, { content: 'x' }])
  expect(worker.tasks).toHaveLength(1)
  expect(gateway.load()).toEqual({ pending: 0, subscriptions: 1 })
})

test('the first asker’s leaving strands no request that joined', async () => {
  const settings = freshSettings()
  const gateway = await startGateway(settings)
  const { leave, left } = leavable(gateway.url, 'b-2')
  await eventually('the first is pending', () => gateway.load().pending === 1)
  const second = generate(gateway.url, 'b-2', 'x')
  await eventually('both are pending', () => gateway.load().pending === 2)
  leave()
  expect(await left).toBe('left')
  await startPlainWorker(settings, () => 'for the second')
  expect((await second).body).toEqual({ content: 'for the second' })
})

test('another payload under an id in flight is a 409, in this process and on another replica', async () => {
  const settings = freshSettings()
  const [here, there] = await Promise.all([startGateway(settings), startGateway(settings)])
  const first = generate(here.url, 'b-3', 'x')
  await eventually('the first is pending', () => here.load().pending === 1)
  await eventually('its message is in the queue', async () => (await depth(settings)) === 1)
  for (const { url } of [here, there]) {
    const reply = await generate(url, 'b-3', 'something else')
    expect(reply.body).toMatchObject({ status: 409, code: 'job_conflict', job_id: 'b-3' })
  }
  await startPlainWorker(settings, ({ content }) => content)
  expect((await first).body).toEqual({ content: 'x' })
})

test('parallel requests on two replicas make one message', async () => {
  const settings = freshSettings()
  const worker = await startPlainWorker(settings, ({ content }) => content)
  const gateways = await Promise.all([startGateway(settings), startGateway(settings)])
  const ids = Array.from({ length: 100 }, (_, index) => `b-4-${index}`)
  const replies = await Promise.all(
    ids.flatMap((id) => gateways.map(({ url }) => generate(url, id, `text of ${id}`))),
  )
  expect(replies.map(({ body }) => body.content)).toEqual(
    ids.flatMap((id) => gateways.map(() => `text of ${id}`)),
  )
  expect(worker.tasks).toHaveLength(ids.length)
})

test('the same payload after success is replayed, on any replica', async () => {
  const settings = freshSettings()
  const worker = await startPlainWorker(settings, ({ content }) => content)
  const [here, there] = await Promise.all([startGateway(settings), startGateway(settings)])
  const first = await generate(here.url, 'b-5', 'x')
  expect(first.headers.has('idempotent-replayed')).toBe(false)
  for (const { url } of [here, there]) {
    const again = await generate(url, 'b-5', 'x')
    expect(again.body).toEqual({ content: 'x' })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  }
  expect(worker.tasks).toHaveLength(1)
})

test('a result that stood there before the first request is not taken for its answer', async () => {
  const settings = freshSettings()
  const worker = await startPlainWorker(
    settings,
    ({ content }) => `${worker.tasks.length} ${content}`,
  )
  const gateway = await startGateway(settings)
  await generate(gateway.url, 'b-6', 'x')
  // As protollm_api left them: a result without a claim, of a payload that is not known any more.
  await claimRecord(await testRedis(), `${settings.REDIS_PREFIX}:b-6`).remove()
  expect((await generate(gateway.url, 'b-6', 'x')).body).toEqual({ content: '2 x' })
})

test('an id whose outcome another replica has read, but not yet marked, is free for another payload', async () => {
  const settings = freshSettings()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, ({ content }) => content)
  await generate(gateway.url, 'b-7', 'x')
  const claim = claimRecord(await testRedis(), `${settings.REDIS_PREFIX}:b-7`)
  await eventually('it is marked', async () => (await claim.state()) === 'done')
  await claim.setState('published')
  expect((await generate(gateway.url, 'b-7', 'y')).body).toEqual({ content: 'y' })
})

test('a join on a replica whose subscriber link is slower than its data link misses nothing', async () => {
  const settings = freshSettings()
  const proxy = new LinkProxy(inject('services').REDIS_URL)
  proxy.faultsOf = (first) => {
    const delayMs = first.includes('protollm-subscriber') ? 2 : 0
    return { toServer: { delayMs }, toClient: {} }
  }
  onTestFinished(() => proxy.close())
  const worker = await startPlainWorker(settings, ({ content }) => content)
  const fast = await startGateway(settings)
  const slow = await startGateway({ ...settings, REDIS_URL: await proxy.open() })
  // Without the read behind the SUBSCRIBE, one in three would be missed.
  const total = isLong ? 2_000 : 400
  const ids = Array.from({ length: total }, (_, index) => `b-8-${index}`)
  const wrong: unknown[] = []
  const ask = async (url: string, id: string): Promise<void> => {
    const started = performance.now()
    const { status, body } = await generate(url, id, id)
    // A missed write would still be found by the last read, at the end of the time.
    const isMissed = performance.now() - started > 5_000
    if (status !== 200 || body.content !== id || isMissed) wrong.push([url, id, status, body])
  }
  const work = async (): Promise<void> => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      await Promise.all([ask(fast.url, id), ask(slow.url, id)])
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  expect(wrong).toEqual([])
  expect(worker.tasks).toHaveLength(total)
  expect(slow.load()).toEqual({ pending: 0, subscriptions: 1 })
})

async function depth(settings: { QUEUE_NAME: string }): Promise<number> {
  return (await (await testChannel()).checkQueue(settings.QUEUE_NAME)).messageCount
}

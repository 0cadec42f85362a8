import { expect, inject, onTestFinished, test } from 'vitest'
import { endsOf } from '../support/deltas.ts'
import { eventually } from '../support/eventually.ts'
import { ask, generate } from '../support/http-client.ts'
import { recordScene } from '../support/job-records.ts'
import { LinkProxy } from '../support/proxy.ts'
import { startGateway, testScene } from '../support/scene.ts'

test('a job whose result was read before a confirm that took more than 2 s has ended for everybody', async () => {
  const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
  onTestFinished(() => proxy.close())
  await proxy.open()
  const scene = await testScene()
  const { settings, claim, answer, take } = scene
  await scene.channel.assertQueue(settings.QUEUE_NAME, { durable: false })
  const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: proxy.url })
  let open = (): void => {}
  proxy.faults.toClient = { until: new Promise<void>((resolve) => (open = resolve)) }
  const asked = generate(gateway.url, 'x', 'x')
  await take()
  const life = await claim('x').lifeMs()
  await eventually('the claim is 2.5 s old', async () => life - (await claim('x').lifeMs()) > 2_500)
  await answer('x', { content: 'fine' })
  expect((await asked).body).toEqual({ content: 'fine' })
  open()
  // Never while this test fails: `queued` until JOB_TTL_S is over, and a 409 for every other payload.
  await eventually('it has ended', async () => {
    return (await ask(`${gateway.url}/jobs/x`, 'GET')).body.status === 'succeeded'
  })
  const client = AbortSignal.timeout(1_000)
  const another = generate(gateway.url, 'x', 'another', { signal: client })
  const refused = await another.then(
    (reply) => reply.body.code,
    () => 'not refused',
  )
  expect(refused).toBe('not refused')
})

test('a run whose mark was undone gets one end', async () => {
  const { records, redis, key, keys, claim } = await recordScene()
  await claim('f', 'r1')
  await records.markPublished(keys, 'r1')
  await redis.xAdd(keys.deltas, '*', { text: 'x', run: 'r1' })
  await redis.set(key, 'theirs')
  await records.view(keys)
  await records.dropForeign(keys, 'r0', 'theirs', true)
  await redis.xAdd(keys.deltas, '*', { text: 'y', run: 'r1' })
  await records.answer({ keys, run: 'r1' }, 'succeeded', ['xy'], false)
  expect(await endsOf(redis, keys.deltas)).toHaveLength(1)
})

test('a cancel of a job whose worker may answer twice gives result and deltas one life', async () => {
  const { records, redis, key, keys, claim } = await recordScene({
    dialect: { mayAnswerTwice: true },
    isPlain: false,
  })
  await claim('f', 'r1')
  await redis.xAdd(keys.deltas, '*', { text: 'x', run: 'r1' })
  await records.end(keys, 'r1', ['cancelled'])
  const [result, deltas, record] = await redis
    .multi()
    .pTTL(key)
    .pTTL(keys.deltas)
    .pTTL(keys.record)
    .execTyped()
  expect([result, record]).toEqual([deltas, deltas])
})

import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { generate } from '../support/http-client.ts'
import { LinkProxy } from '../support/proxy.ts'
import { freshSettings, startGateway, startPlainWorker, testRedis } from '../support/scene.ts'

describe('a large result', () => {
  test.each([
    ['of two-byte characters', 'ы'.repeat(700_000)],
    ['of four-byte characters, cut at no boundary', `x${'😀'.repeat(400_000)}`],
    ['of exactly one piece', 'x'.repeat(512 * 1024 - '{"content":""}'.length)],
  ])('%s arrives as it was written', async (_, content) => {
    const settings = freshSettings()
    await startPlainWorker(settings, () => content)
    const gateway = await startGateway(settings)
    const reply = await generate(gateway.url, 'i-1', 'x')
    expect(reply.body.content === content).toBe(true)
  })

  test('on a slow link holds up no other request', async () => {
    const settings = freshSettings()
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    const large = 'x'.repeat(6_000_000)
    await startPlainWorker(settings, ({ content }) => (content === 'large' ? large : content))
    const gateway = await startGateway({
      ...settings,
      TIMEOUT: '20',
      REDIS_URL: await proxy.open(),
    })
    // Its transfer takes longer than the watchdog waits for the answer to a PING.
    proxy.faults.toClient.bytesPerS = 1_500_000
    const slow = generate(gateway.url, 'i-2', 'large')
    const others = Array.from({ length: 5 }, (_, index) =>
      generate(gateway.url, `i-3-${index}`, 'x'),
    )
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200,
    ])
    expect((await slow).body.content?.length).toBe(large.length)
    expect(gateway.log.named('redis.silent')).toEqual([])
  })

  test('above 32 MB is a 502 and not read', async () => {
    const settings = freshSettings()
    const redis = await testRedis()
    const gateway = await startGateway(settings)
    await startPlainWorker(settings, async ({ id }) => {
      await redis.setRange(`${settings.REDIS_PREFIX}:${id}`, 33 * 1024 * 1024, 'x')
      return undefined
    })
    const reply = await generate(gateway.url, 'i-4', 'x')
    expect(reply.body).toMatchObject({ status: 502, code: 'bad_result' })
    await redis.del(`${settings.REDIS_PREFIX}:i-4`)
  })
})

test('an empty result is unreadable, an absent one is waited for', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '0.3' }
  const redis = await testRedis()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, async ({ id }) => {
    const key = `${settings.REDIS_PREFIX}:${id}`
    await redis.set(key, id === 'i-5' ? '' : 'x')
    if (id === 'i-6') await redis.del(key)
    return undefined
  })
  expect((await generate(gateway.url, 'i-5', 'x')).body.code).toBe('bad_result')
})

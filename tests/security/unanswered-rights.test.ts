import { expect, test } from 'vitest'
import { ask, startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { CHAT, hello } from '../support/openai.ts'
import { freshSettings, isReady } from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'
import { grantOnRedis, urlFor } from './support/deploy.ts'

/** Those of the version before, which did not announce requests that got no outcome. */
const CHANNELS_BEFORE =
  'resetchannels &__keyspace@0__:llm-api:* &__keyspace@0__:{llm-api:*}:deltas &llm-api:@push-repaired &llm-api:@workers'

/** Two gateways whose login has these rights, and a worker that answers nothing. */
async function scene(rules: string) {
  const redis = await ownRedis()
  await redis.control('CONFIG', 'SET', 'notify-keyspace-events', 'K$gt')
  await grantOnRedis(redis, { 'llm-gateway': rules })
  const settings = { ...freshSettings(), REDIS_PREFIX: 'llm-api', NOTIFY_CONFIG: 'check' }
  const worker = await startEngineWorker(
    { ...settings, REDIS_URL: urlFor(redis, 'admin') },
    async () => {},
  )
  const own = { ...settings, REDIS_URL: urlFor(redis, 'llm-gateway') }
  const [first, second] = [await startOpenAiGateway(own), await startOpenAiGateway(own)]
  return { worker, first, second }
}

test.each([
  ['the rights of the version before', `${CHANNELS_BEFORE} -publish`],
  ['no right to the channel', CHANNELS_BEFORE],
  ['no right to publish', '-publish'],
  ['no right to the sorted set', '-zadd'],
])(
  'a login with %s finds the jobs of other replicas all the same',
  async (_, rules) => {
    const { worker, first, second } = await scene(rules)
    const headers = { 'x-stainless-timeout': '0.3' }
    const joins = async () => {
      const earlier = await ask(first.url, CHAT, hello(), { headers })
      const again = await ask(second.url, CHAT, hello(), { headers })
      expect([earlier.status, again.status]).toEqual([504, 504])
      expect(again.headers.get('x-job-id')).toBe(earlier.headers.get('x-job-id'))
    }
    await joins()
    // The new connections are refused as the first ones were, and serve as well.
    await worker.redis.sendCommand(['CLIENT', 'KILL', 'USER', 'llm-gateway'])
    for (const { log } of [first, second]) {
      await eventually('both links are back', () => log.named('redis.connected').length === 4)
    }
    for (const { url } of [first, second]) await eventually('it is ready', () => isReady(url))
    await joins()
    expect(worker.jobs).toHaveLength(1)
    for (const { log } of [first, second]) {
      const [line, ...more] = log.named('unanswered.not_announced')
      expect(line?.error).toMatch(/NOPERM|permission|can't run this command|can't access/)
      // A script and a subscription are refused in different words, and each is logged once.
      expect(more.length).toBeLessThanOrEqual(1)
    }
  },
  30_000,
)

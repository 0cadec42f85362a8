import { createClient } from 'redis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { freshSettings, startGateway, startPlainWorker } from '../support/scene.ts'

test('a job takes four commands to Redis: enter, SUBSCRIBE, take, UNSUBSCRIBE', async () => {
  const settings = freshSettings()
  await startPlainWorker(settings, ({ content }) => content)
  const gateway = await startGateway(settings)
  // Scripts are sent as text the first time.
  await generate(gateway.url, 'warm-up', 'x')
  const monitor = createClient({ url: inject('services').REDIS_URL })
  await monitor.connect()
  onTestFinished(() => monitor.destroy())
  const lines: string[] = []
  await monitor.monitor((line) => void lines.push(String(line)))
  await generate(gateway.url, 'counted', 'x')
  const ofJob = (): string[] =>
    lines.filter((line) => line.includes(`${settings.REDIS_PREFIX}:counted`))
  await eventually('it has unsubscribed', () => ofJob().some((line) => /unsubscribe/i.test(line)))
  const commands = ofJob().filter((line) => !line.includes(' lua]'))
  const names = commands.map((line) => /"(\w+)"/.exec(line)?.[1]?.toUpperCase() ?? '')
  // The SET is the worker's.
  expect(names.toSorted()).toEqual(['EVALSHA', 'EVALSHA', 'SET', 'SUBSCRIBE', 'UNSUBSCRIBE'])
})

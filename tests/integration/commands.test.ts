import { createClient } from 'redis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { freshSettings, startGateway, startPlainWorker } from '../support/scene.ts'

/** Every command about this job, in alphabetical order, the worker's SET too. */
async function commandsOf(prefix: string, id: string, ask: () => Promise<unknown>) {
  const monitor = createClient({ url: inject('services').REDIS_URL })
  await monitor.connect()
  onTestFinished(() => monitor.destroy())
  const lines: string[] = []
  await monitor.monitor((line) => void lines.push(String(line)))
  await ask()
  const ofJob = (): string[] => lines.filter((line) => line.includes(`${prefix}:${id}`))
  await eventually('it has unsubscribed', () => ofJob().some((line) => /unsubscribe/i.test(line)))
  await eventually('the result is kept', () =>
    ofJob().some((line) => /pexpire|evalsha/i.test(line)),
  )
  const commands = ofJob().filter((line) => !line.includes(' lua]'))
  return commands.map((line) => /"(\w+)"/.exec(line)?.[1]?.toUpperCase() ?? '').toSorted()
}

test('a job takes eight plain commands to Redis, and no script', async () => {
  const settings = freshSettings()
  await startPlainWorker(settings, ({ content }) => content)
  const gateway = await startGateway(settings)
  await generate(gateway.url, 'warm-up', 'x')
  const ask = () => generate(gateway.url, 'counted', 'x')
  expect(await commandsOf(settings.REDIS_PREFIX, 'counted', ask)).toEqual([
    // Claim: is there anything of an earlier run? Read: the result, and after it the record.
    'EXISTS',
    'GET',
    'GETRANGE',
    // The result lives as long as the record, and so do the deltas.
    'PEXPIRE',
    'PEXPIRE',
    // The claim, and the worker's result.
    'SET',
    'SET',
    'SUBSCRIBE',
    'UNSUBSCRIBE',
  ])
})

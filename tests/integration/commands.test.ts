import { createClient } from 'redis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startOpenAiGateway } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { generate, post } from '../support/http-client.ts'
import { CHAT } from '../support/openai.ts'
import { freshSettings, startGateway, startPlainWorker } from '../support/scene.ts'

/**
 * Every command about this job, in alphabetical order, the worker's SET too. `ask` resolves with the
 * job's id. A command about requests that got no outcome counts as well.
 */
async function commandsOf(prefix: string, ask: () => Promise<string>) {
  const monitor = createClient({ url: inject('services').REDIS_URL })
  await monitor.connect()
  onTestFinished(() => monitor.destroy())
  const lines: string[] = []
  await monitor.monitor((line) => void lines.push(String(line)))
  const id = await ask()
  const ours = [`${prefix}:${id}`, `${prefix}:@unanswered`]
  const ofJob = (): string[] => lines.filter((line) => ours.some((key) => line.includes(key)))
  await eventually('it has unsubscribed', () => ofJob().some((line) => /unsubscribe/i.test(line)))
  await eventually('the result is kept', () =>
    ofJob().some((line) => /pexpire|evalsha/i.test(line)),
  )
  const commands = ofJob().filter((line) => !line.includes(' lua]'))
  return commands.map((line) => /"(\w+)"/.exec(line)?.[1]?.toUpperCase() ?? '').toSorted()
}

/** Those of a job that ends as most do. */
const USUAL = [
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
]

test('a job takes eight plain commands to Redis, and no script', async () => {
  const settings = freshSettings()
  await startPlainWorker(settings, ({ content }) => content)
  const gateway = await startGateway(settings)
  await generate(gateway.url, 'warm-up', 'x')
  const ask = async () => {
    await generate(gateway.url, 'counted', 'x')
    return 'counted'
  }
  expect(await commandsOf(settings.REDIS_PREFIX, ask)).toEqual(USUAL)
})

test('a chat takes no more than that', async () => {
  const settings = freshSettings()
  await startPlainWorker(settings, ({ content }) => content)
  const gateway = await startOpenAiGateway(settings)
  const chat = (content: string) =>
    post(gateway.url, CHAT, { model: 'text', messages: [{ role: 'user', content }] })
  await chat('warm-up')
  const ask = async () => (await chat('x')).headers.get('x-job-id') as string
  expect(await commandsOf(settings.REDIS_PREFIX, ask)).toEqual(USUAL)
})

import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-client.ts'
import { isLong } from '../support/long.ts'
import { metricsOf } from '../support/metrics.ts'
import { startGatewayProgram, startWorkerProgram } from '../support/program.ts'
import { freshSettings } from '../support/scene.ts'
import type { PartHealth } from '../../src/http/operations.ts'

/** What a killed worker's last renewal and a look may take, on a quiet machine. */
const GONE_WITHIN_MS = 15_000

/** How many workers each queue has, as a gateway says it. */
async function announcedAt(url: string): Promise<Record<string, number>> {
  const { parts } = (await (await fetch(`${url}/readyz`)).json()) as { parts: PartHealth[] }
  const { announced = [] } = parts.find(({ name }) => name === 'workers') ?? {}
  return Object.fromEntries(announced.map(({ queue, workers }) => [queue, workers]))
}

async function untilAnnounced(urls: readonly string[], expected: object, timeoutMs?: number) {
  const wanted = JSON.stringify(expected)
  const look = async (url: string): Promise<true> => {
    const seen = JSON.stringify(await announcedAt(url))
    if (seen !== wanted) throw new Error(seen)
    return true
  }
  await Promise.all(urls.map((url) => eventually(`${url}: ${wanted}`, () => look(url), timeoutMs)))
}

/** Two gateways of two queues, three workers, two of them at the first queue. */
async function replicas() {
  const settings = freshSettings()
  const { QUEUE_NAME: first } = settings
  const second = `${first}-2`
  const ofGateways = { ...settings, ALLOWED_QUEUES: second }
  const programs = await Promise.all([
    startGatewayProgram(ofGateways),
    startGatewayProgram(ofGateways),
  ])
  const urls = programs.map(({ url }) => url)
  const workers = await Promise.all([
    startWorkerProgram(settings),
    startWorkerProgram({ ...settings, WORKER_CONCURRENCY: '3' }),
    startWorkerProgram({ ...settings, QUEUE_NAME: second }),
  ])
  await untilAnnounced(urls, { [first]: 2, [second]: 1 })
  return { urls, workers, first, second }
}

test('three workers are announced at two gateways, and one that is stopped is gone at once', async () => {
  const { urls, workers, first, second } = await replicas()
  const [url = ''] = urls
  expect(await metricsOf(url)).toMatchObject({
    [`gateway_announced_workers{queue="${first}"}`]: 2,
    [`gateway_announced_running{queue="${first}"}`]: 0,
    [`gateway_announced_concurrency{queue="${first}"}`]: 19,
    [`gateway_announced_workers{queue="${second}"}`]: 1,
  })
  const asked = { model: 'echo', messages: [{ role: 'user', content: 'x' }] }
  for (const gateway of urls) {
    const { status, body } = await post(gateway, '/v1/chat/completions', asked)
    expect([status, body]).toMatchObject([200, { choices: [{ message: { content: 'echo: x' } }] }])
  }
  const stopped = performance.now()
  expect(await workers[0]?.end('SIGTERM')).toBe(0)
  await untilAnnounced(urls, { [first]: 1, [second]: 1 })
  // Well before its silence would be noticed.
  expect(performance.now() - stopped).toBeLessThan(6_000)
})

test.each(isLong ? [GONE_WITHIN_MS] : [])(
  'one that is killed is gone from both gateways within %i ms',
  async (withinMs) => {
    const { urls, workers, first, second } = await replicas()
    await workers[2]?.end('SIGKILL')
    await untilAnnounced(urls, { [first]: 2, [second]: 0 }, withinMs)
    expect(await workers[0]?.end('SIGTERM')).toBe(0)
    await untilAnnounced(urls, { [first]: 1, [second]: 0 })
  },
  60_000,
)

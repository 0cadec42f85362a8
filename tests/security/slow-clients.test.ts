import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { freshSettings, startGateway, startPlainWorker, testRedis } from '../support/scene.ts'
import { RawClient, jobRequest } from './support/raw.ts'

/** Seconds until the connection is closed. */
async function secondsOf(client: RawClient): Promise<number> {
  const started = performance.now()
  await client.closed
  return (performance.now() - started) / 1_000
}

test('a head that never ends is cut off after 15 s, an idle connection after 72 s, and others are served meanwhile', async () => {
  const settings = freshSettings()
  const gateway = await startGateway(settings)
  await startPlainWorker(settings, ({ content }) => content)
  const idle = new RawClient(gateway.url)
  idle.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually('it is answered', () => idle.answers.length === 1)
  const idleFor = secondsOf(idle)

  const endless = new RawClient(gateway.url)
  endless.send('POST /generate HTTP/1.1\r\nHost: x\r\n')
  let served = 0
  // A line a second: such a client is not idle, only never done.
  const lines = setInterval(() => {
    endless.send('X-More: x\r\n')
    void generate(gateway.url, `o-${served}`, 'x').then(({ status }) => {
      if (status === 200) served += 1
    })
  }, 1_000)
  const headFor = await secondsOf(endless).finally(() => clearInterval(lines))
  expect(endless.answers.map(({ status }) => status)).toEqual([408])
  expect(Math.abs(headFor - 17)).toBeLessThan(3)
  expect(served).toBeGreaterThan(10)

  await eventually('the idle one is closed', () => idle.isClosed, 65_000)
  expect(Math.abs((await idleFor) - 74)).toBeLessThan(4)
}, 100_000)

/** The bytes in use once all that can be let go has been. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('a client that does not read its answer is given up after 30 s, and the answer’s memory is free again', async () => {
  const settings = freshSettings()
  const [redis, gateway] = [await testRedis(), await startGateway(settings)]
  const worker = await startPlainWorker(settings, () => undefined)
  const size = 20 << 20
  const before = bytesInUse()
  const clients = ['slow-1', 'slow-2', 'slow-3'].map((id) => {
    const client = new RawClient(gateway.url)
    client.socket.pause()
    client.send(jobRequest(id))
    return client
  })
  await eventually('the worker has all', () => worker.tasks.length === clients.length)
  for (const { id } of worker.tasks) {
    await redis.set(`${settings.REDIS_PREFIX}:${id}`, JSON.stringify({ content: 'x'.repeat(size) }))
  }
  await eventually('all are answered', () => gateway.load().pending === 0)
  const started = performance.now()
  expect(bytesInUse() - before).toBeGreaterThan(2 * size)
  const areLetGo = async (): Promise<boolean> => {
    // Each look collects all garbage.
    await delay(500)
    return bytesInUse() - before < size / 2
  }
  await eventually('the answers are let go', areLetGo, 80_000)
  expect((performance.now() - started) / 1_000).toBeLessThan(45)
  for (const client of clients) {
    // What the kernel had taken is still there to be read; the rest never comes.
    client.socket.resume()
    await client.closed
    expect(client.received.length).toBeLessThan(size)
  }
}, 120_000)

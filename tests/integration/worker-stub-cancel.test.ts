import { once } from 'node:events'
import { createServer } from 'node:http'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openaiEngine } from '../../worker-stub/engines/openai.ts'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import { ask, submit } from '../support/http-client.ts'
import { startGateway, testRedis } from '../support/scene.ts'
import {
  echoAt,
  redisProxy,
  speaker,
  startWorker,
  untilAborted,
  workerScene,
} from '../support/worker-stub.ts'
import type { AddressInfo } from 'node:net'

describe('cancel', () => {
  // As the gateway sets it; in these tests there is none.
  beforeEach(async () => {
    await (await testRedis()).configSet('notify-keyspace-events', 'K$gt')
  })

  test('stops a running job within a second: no result, no more deltas, acknowledged', async () => {
    const { settings, redis, key, send, entries, cancel, listeners, acknowledgedBy } =
      await workerScene()
    const { worker, log } = await startWorker(settings, echoAt(20))
    send('c-1', 'run-1', 'word '.repeat(10_000))
    await eventually('it streams', async () => (await entries('c-1')).length > 1)
    expect(await listeners('c-1')).toBe(1)
    await cancel('c-1')
    await log.until('job.cancelled', 1_000)
    const { length } = await entries('c-1')
    await eventually('it listens no more', async () => (await listeners('c-1')) === 0)
    await acknowledgedBy(worker)
    expect(await entries('c-1')).toHaveLength(length)
    expect(await redis.exists(key('c-1'))).toBe(0)
    expect(log.named('job.given_back')).toEqual([])
    expect(log.named('job.done')).toEqual([])
  })

  test('of another run is none; where the message names no run, any is', async () => {
    const { settings, send, result, entries, cancel, listeners } = await workerScene()
    const { log } = await startWorker(settings, echoAt(20))
    send('c-2', 'run-1', 'word '.repeat(12))
    send('c-3', undefined, 'word '.repeat(10_000))
    for (const id of ['c-2', 'c-3']) {
      await eventually('it streams', async () => (await entries(id)).length > 0)
      await cancel(id, 'run-0')
    }
    expect(await log.until('job.cancelled', 1_000)).toMatchObject({ job: 'c-3' })
    expect(await result('c-2')).toMatchObject({ content: `echo: ${'word '.repeat(12)}` })
    expect(log.named('job.cancelled')).toHaveLength(1)
    // After its end there is no run to hear it.
    await eventually('it listens no more', async () => (await listeners('c-2')) === 0)
    await cancel('c-2', 'run-1')
    expect(await result('c-2')).toHaveProperty('content')
  })

  test('is heeded also where the engine does not', async () => {
    const { settings, redis, key, streamKey, send, cancel, acknowledgedBy } = await workerScene()
    const stubborn = speaker(async (say, signal) => {
      // It may be heard of before the answer to the cancel is here.
      const aborted = once(signal, 'abort')
      await cancel('c-4')
      await aborted
      say('too late')
      return 'too late'
    })
    const { worker, log } = await startWorker(settings, stubborn)
    send('c-4', 'run-1')
    await log.until('job.cancelled')
    await acknowledgedBy(worker)
    expect(await redis.exists([key('c-4'), streamKey('c-4')])).toBe(0)
  })

  test('is heard when it came between the look and the subscription', async () => {
    const { settings, send, entries, cancel, listeners } = await workerScene()
    const proxy = await redisProxy()
    const { log } = await startWorker(settings, echoAt(20), proxy.url)
    await eventually('both are connected', () => log.named('redis.connected').length === 2)
    const subscription = closedGate()
    proxy.faults.toServer = { until: subscription.opened }
    send('c-5', 'run-1', 'word '.repeat(10_000))
    await eventually('it runs', async () => (await entries('c-5')).length > 0)
    expect(await listeners('c-5')).toBe(0)
    await cancel('c-5')
    subscription.open()
    await log.until('job.cancelled')
  })

  test('is heard when it came while the subscriber was away', async () => {
    const { settings, send, entries, cancel, listeners } = await workerScene()
    const proxy = await redisProxy()
    const { port } = new URL(proxy.url)
    const { log } = await startWorker(settings, echoAt(20), proxy.url)
    send('c-6', 'run-1', 'word '.repeat(10_000))
    await eventually('it listens', async () => (await listeners('c-6')) === 1)
    // A worker that has not yet looked at the job would not begin it.
    await eventually('it runs', async () => (await entries('c-6')).length > 0)
    await proxy.close()
    await log.until('redis.disconnected')
    await cancel('c-6')
    await proxy.open(Number(port))
    await log.until('job.cancelled')
  })

  test('is heard when it could not be read at first', async () => {
    const { settings, send, entries, cancel, listeners } = await workerScene()
    const proxy = await redisProxy()
    const { port } = new URL(proxy.url)
    const { REDIS_URL: subscriberUrl } = settings
    const { log } = await startWorker(
      { ...settings, REDIS_URL: proxy.url },
      echoAt(20),
      subscriberUrl,
    )
    send('c-10', 'run-1', 'word '.repeat(10_000))
    await eventually('it listens', async () => (await listeners('c-10')) === 1)
    // A worker that has not yet looked at the job would not begin it.
    await eventually('it runs', async () => (await entries('c-10')).length > 0)
    await proxy.close()
    await log.until('redis.disconnected')
    await cancel('c-10')
    await proxy.open(Number(port))
    await log.until('job.cancelled')
  })

  test('a worker that cannot subscribe runs jobs all the same, and hears as soon as it can', async () => {
    const { settings, send, result, entries, cancel, listeners } = await workerScene()
    const proxy = await redisProxy()
    const { url } = proxy
    await proxy.close()
    const { log } = await startWorker(settings, echoAt(20), url)
    const started = performance.now()
    send('c-7', 'run-1')
    expect(await result('c-7')).toMatchObject({ content: 'echo: x' })
    expect(performance.now() - started).toBeLessThan(1_000)
    send('c-8', 'run-1', 'word '.repeat(10_000))
    await eventually('it runs', async () => (await entries('c-8')).length > 0)
    await proxy.open(Number(new URL(url).port))
    await eventually('it listens', async () => (await listeners('c-8')) === 1)
    expect(await listeners('c-7')).toBe(0)
    await cancel('c-8')
    await log.until('job.cancelled', 1_000)
    expect(log.named('worker.deaf_to_cancel')).toEqual([])
  })

  test('is heard where the same id runs again before the worker has read it', async () => {
    const { settings } = await workerScene()
    const proxy = await redisProxy()
    proxy.faults = { toServer: { delayMs: 20 }, toClient: { delayMs: 20 } }
    let [started, aborted] = [0, 0]
    const endless = speaker((_, signal) => {
      started += 1
      signal.addEventListener('abort', () => (aborted += 1))
      return untilAborted(signal)
    })
    const { log } = await startWorker(
      { ...settings, REDIS_URL: proxy.url },
      endless,
      settings.REDIS_URL,
    )
    const { url } = await startGateway(settings)
    for (const runs of [1, 2, 3]) {
      await submit(url, { job_id: 'c-11', content: 'x' })
      await eventually(`run ${runs} is running`, () => started === runs)
      if (runs < 3) await ask(`${url}/jobs/c-11`, 'DELETE')
    }
    await eventually('the two that were cancelled have stopped', () => aborted === 2)
    expect(log.named('job.cancelled')).toHaveLength(2)
    expect((await ask(`${url}/jobs/c-11`, 'GET')).body.status).toBe('queued')
  })

  test('closes the request to the model', async () => {
    const { settings, send, said, cancel } = await workerScene()
    let isClosed = false
    const model = createServer((_, response) => {
      response.on('close', () => (isClosed = true))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"choices":[{"delta":{"content":"Once "}}]}\n\n')
    })
    await once(model.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => {
      model.closeAllConnections()
      model.close()
    })
    const url = `127.0.0.1:${(model.address() as AddressInfo).port}`
    const { log } = await startWorker(settings, openaiEngine({ url }))
    send('c-9', 'run-1')
    await eventually('it streams', async () => (await said('c-9')) === 'Once ')
    expect(isClosed).toBe(false)
    await cancel('c-9')
    await log.until('job.cancelled', 1_000)
    await eventually('the model sees it', () => isClosed, 1_000)
  })
})

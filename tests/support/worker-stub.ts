import { setTimeout as delay } from 'node:timers/promises'
import { inject, onTestFinished } from 'vitest'
import { RedisConnection } from '../../src/redis/connection.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { readWorkerConfig } from '../../worker-stub/config.ts'
import { echoEngine } from '../../worker-stub/engines/echo.ts'
import { Worker } from '../../worker-stub/worker.ts'
import { Lines } from '../../dev/lines.ts'
import { eventually } from './eventually.ts'
import { LinkProxy } from './proxy.ts'
import { cancelKey, deltasKey } from './record.ts'
import { testScene } from './scene.ts'
import type { Engine, OnDelta } from '../../worker-stub/engine.ts'
import type { Settings } from './scene.ts'

/** Says nothing at 0, where it has its answer at once. */
export const echoAt = (tokensPerS: number): Engine =>
  echoEngine({ delayMs: 0, tokensPerS, failureRate: 0 })

/** Says what `speak` says, and answers with what it returns. */
export const speaker = (speak: (say: OnDelta, signal: AbortSignal) => Promise<string>): Engine => ({
  run: async (_, signal, onDelta) => ({
    kind: 'succeeded',
    content: await speak(onDelta, signal),
  }),
})

/** As a model that generates for ever. */
export const untilAborted = (signal: AbortSignal): Promise<never> =>
  delay(600_000, undefined, { signal }) as Promise<never>

/** A proxy in front of Redis, closed after the test. */
export async function redisProxy(): Promise<LinkProxy> {
  const proxy = new LinkProxy(inject('services').REDIS_URL)
  await proxy.open()
  onTestFinished(() => proxy.close())
  return proxy
}

/** The stub in this process, consuming; its subscriptions go through `subscriberUrl`. Closed after the test. */
export async function startWorker(
  settings: Settings,
  engine: Engine = echoAt(0),
  subscriberUrl: string = settings.REDIS_URL ?? '',
) {
  const lines = new Lines()
  const log = createLog('debug', lines)
  const config = readWorkerConfig(settings)
  const redis = new RedisConnection(config.redisUrl, 'worker', log)
  const subscriber = new RedisConnection(subscriberUrl, 'subscriber', log)
  const worker = new Worker({ ...config, redis, subscriber, engine, log })
  for (const connection of [redis, subscriber]) connection.open()
  await worker.open()
  onTestFinished(async () => {
    await worker.close(0)
    for (const connection of [subscriber, redis]) connection.close()
  })
  await lines.until('worker.consuming')
  return { worker, log: lines }
}

/** A job as protollm_api publishes it; `run` is what our gateway adds. */
function taskOf(id: string, content: string): Buffer {
  const prompt = { job_id: id, meta: {}, messages: [{ role: 'user', content }] }
  return Buffer.from(JSON.stringify({ id, kwargs: { prompt, prompt_type: 'chat_completion' } }))
}

/** A queue and keys of the test's own, and what stands in the place of the gateway. */
export async function workerScene() {
  const scene = await testScene()
  const { settings, channel, redis, key, depth } = scene
  const streamKey = (id: string): string => deltasKey(key(id))
  const cancelKeyOf = (id: string): string => cancelKey(key(id))
  const send = (id: string, run?: string, content = 'x'): void => {
    const properties = run === undefined ? {} : { correlationId: run }
    channel.sendToQueue(settings.QUEUE_NAME, taskOf(id, content), properties)
  }
  const result = (id: string) =>
    eventually(`the result of ${id}`, async () => {
      const value = await redis.get(key(id))
      return value === null ? null : (JSON.parse(value) as unknown)
    })
  /** Nothing is left in the queue when its worker has gone: whatever was not acknowledged is back by then. */
  const acknowledgedBy = async (worker: Worker): Promise<void> => {
    await worker.close(0)
    const cameBack = await depth()
    if (cameBack > 0) throw new Error(`${cameBack} messages came back`)
  }
  /** The stream of a job, field by field. */
  const entries = async (id: string) => {
    const found = (await redis.xRange(streamKey(id), '-', '+')) ?? []
    return found.map(({ message }) => ({ ...message }))
  }
  const said = async (id: string): Promise<string> =>
    (await entries(id)).map(({ text }) => text).join('')
  const cancel = (id: string, run = 'run-1') => redis.set(cancelKeyOf(id), run)
  /** How many connections would hear of it. */
  const listeners = async (id: string): Promise<number | undefined> => {
    const event = `__keyspace@0__:${cancelKeyOf(id)}`
    return (await redis.pubSubNumSub(event))[event]
  }
  const looks = { result, acknowledgedBy, entries, said, listeners }
  return { ...scene, streamKey, send, cancel, ...looks }
}

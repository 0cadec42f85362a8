import { inject, onTestFinished } from 'vitest'
import { ModelDirectory } from '../../src/gateway/model-directory.ts'
import { RedisConnection } from '../../src/redis/connection.ts'
import { Workers } from '../../src/redis/workers.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Announcer } from '../../worker-stub/announcer.ts'
import { Lines } from '../../dev/lines.ts'
import { eventually } from './eventually.ts'
import { LinkProxy } from './proxy.ts'
import { freshSettings, testRedis } from './scene.ts'
import type { AnnouncedModel } from '../../src/announcement.ts'
import type { AnnouncerOptions } from '../../worker-stub/announcer.ts'
import type { Settings } from './scene.ts'

/** As in production, forty times as fast. */
export const FAST = { renewMs: 100, silentMs: 300 }

/** What a gateway hears of the workers, with times of the test's own. Closed after the test. */
export function startListener(settings: Settings, times = FAST) {
  const { REDIS_URL: url = '', REDIS_PREFIX: prefix = '', QUEUE_NAME: queue = '' } = settings
  const lines = new Lines()
  const log = createLog('debug', lines)
  const data = new RedisConnection(url, 'data', log)
  const subscriber = new RedisConnection(url, 'subscriber', log)
  const directory = new ModelDirectory({
    queues: [queue],
    dialect: { name: 'protollm-v1', carriesBodies: true },
    settings: [],
    consumersOf: () => 0,
    log,
    ...times,
  })
  const workers = new Workers({ subscriber, data, prefix, directory, log, ...times })
  for (const connection of [data, subscriber]) connection.open()
  workers.open()
  const close = async (): Promise<void> => {
    await workers.close()
    for (const connection of [data, subscriber]) connection.close()
  }
  onTestFinished(close)
  const served = (): string[] =>
    directory.all().flatMap(({ id, isServed }) => (isServed ? [id] : []))
  return { directory, workers, log: lines, served, close }
}

/** A worker that only announces itself. Killed after the test: it says no last word by then. */
export function startAnnouncer(
  settings: Settings,
  models: readonly string[] | (() => Promise<readonly AnnouncedModel[]>),
  more: Partial<AnnouncerOptions> = {},
) {
  const { REDIS_URL: url = '', REDIS_PREFIX: redisPrefix = '', QUEUE_NAME: queue = '' } = settings
  const lines = new Lines()
  const log = createLog('debug', lines)
  const redis = new RedisConnection(url, 'worker', log)
  const capabilities = ['verbatim', 'chat']
  const announcer = new Announcer({
    redis,
    redisPrefix,
    queue,
    dialect: { name: 'protollm-v1' },
    concurrency: 4,
    version: '0',
    models:
      typeof models === 'function'
        ? models
        : async () => models.map((name) => ({ name, capabilities })),
    running: () => 1,
    log,
    renewMs: FAST.renewMs,
    ...more,
  })
  redis.open()
  announcer.open()
  /** As a process that was killed. */
  const kill = (): void => redis.close()
  onTestFinished(kill)
  return { announcer, kill, log: lines }
}

/** Long enough for a test to look in between, and no worker falls silent by itself. */
export const SLOW = { renewMs: 2_000, silentMs: 60_000 }

export async function announcedScene(more: Settings = {}) {
  const settings = { ...freshSettings(), ...more }
  const redis = await testRedis(settings.REDIS_URL)
  const key = `${settings.REDIS_PREFIX}:@workers`
  return {
    settings,
    redis,
    key,
    modelsKey: `${settings.REDIS_PREFIX}:@models`,
    fields: async () => Object.keys(await redis.hGetAll(key)),
    /** As a worker of another program, as README has it. */
    say: async (worker: string, said: object) => {
      const text = JSON.stringify({ worker, instance: `${worker}-1`, ...said })
      await redis.hSet(key, worker, text)
      await redis.publish(key, text)
    },
    stop: async (worker: string) => {
      await redis.hDel(key, worker)
      await redis.publish(key, JSON.stringify({ worker, instance: `${worker}-1`, stopped: true }))
    },
  }
}

export async function proxied(settings: Settings) {
  const proxy = new LinkProxy(settings.REDIS_URL ?? inject('services').REDIS_URL)
  onTestFinished(() => proxy.close())
  return { proxy, REDIS_URL: await proxy.open() }
}

type Listener = ReturnType<typeof startListener>

export const serves = (listener: Listener, models: readonly string[]): Promise<true> =>
  eventually(`${models.join(' and ') || 'nothing'} is served`, () => {
    const served = listener.served()
    if (served.join() === models.join()) return true
    throw new Error(served.join())
  })

export const reads = (listener: Listener): Promise<true> =>
  eventually('the workers were read', () => {
    if (listener.workers.problem !== '') throw new Error(listener.workers.problem)
    return true
  })

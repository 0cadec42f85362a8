import { randomUUID } from 'node:crypto'
import { inject, onTestFinished } from 'vitest'
import { RedisConnection } from '../../src/redis/connection.ts'
import { JobRecords } from '../../src/redis/record/job-records.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { eventually } from './eventually.ts'
import { claimRecord } from './record.ts'
import { testRedis } from './scene.ts'
import type { RedisClient } from '../../src/redis/connection.ts'
import type { JobRecordsOptions } from '../../src/redis/record/job-records.ts'

export const KEEP_MS = 20_000
export const JOB_TTL_MS = 10_000

/** A success that was read now, of which no client learns when it was. */
export const success = () => ({ kind: 'succeeded', finishedAt: Date.now(), isTold: false }) as const

export interface RecordSceneOptions {
  readonly url?: string
  readonly dialect?: Partial<JobRecordsOptions['dialect']>
  /** Whether the usual path is taken; without it, what the dialect allows. */
  readonly isPlain?: boolean
}

/** The records of a kind of worker whose result key is the id, on a real Redis, with no gateway around them. */
export async function recordScene(options: RecordSceneOptions = {}) {
  const { url = inject('services').REDIS_URL, dialect, ...rest } = options
  const connection = new RedisConnection(url, 'data', createLog('silent'))
  onTestFinished(() => connection.close())
  connection.open()
  await eventually('connected', () => connection.link.ready)
  const redis = await testRedis(url)
  const kind = {
    ends: 'any' as const,
    mayAnswerTwice: false,
    resultKeys: (id: string) => [id] as const,
    ...dialect,
  }
  const recordsOf = (client: RedisClient): JobRecords =>
    new JobRecords(client, { dialect: kind, resultTtlMs: KEEP_MS, ...rest })
  const records = recordsOf(connection.client)
  const key = `records-${randomUUID()}`
  const keys = records.keysOf(key)
  /** Claims with the run's name as its asker. */
  const claim = (fingerprint: string, run: string, more: object = {}, by = records) =>
    by.claim({
      keys,
      run,
      fingerprint,
      owner: '',
      asker: `of ${run}`,
      jobTtlMs: JOB_TTL_MS,
      keepMs: KEEP_MS,
      graceMs: 5_000,
      isDerived: false,
      prepared: [],
      ...more,
    })
  const leave = (run: string, asker: string, isSure = true) =>
    records.end(keys, run, ['cancelled'], { asker: `of ${asker}`, isSure })
  const release = (run: string, asker = run) =>
    records.release(keys, { run, asker: `of ${asker}`, prepared: [] })
  const stored = () => claimRecord(redis, key)
  return { connection, redis, records, recordsOf, key, keys, claim, leave, release, stored }
}

/** The client, with one of its commands held back until `let go`. */
export function holding(client: RedisClient, command: keyof RedisClient) {
  let letGo = (): void => {}
  const isLetGo = new Promise<void>((resolve) => (letGo = resolve))
  let reached = (): void => {}
  const isReached = new Promise<void>((resolve) => (reached = resolve))
  const held = new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== command) return value.bind(target) as unknown
      return async (...args: unknown[]) => {
        reached()
        await isLetGo
        return (value as (...all: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return { client: held, isReached, letGo }
}

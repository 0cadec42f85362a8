import { onTestFinished } from 'vitest'
import { RedisConnection } from '../../src/redis/connection.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { DeltaWriter } from '../../worker-stub/delta-writer.ts'
import { eventually } from './eventually.ts'
import type { JobKeys } from '../../src/redis/record/record.ts'
import type { TestRedis } from './scene.ts'

/** The entries of a stream that say that the job has ended, field by field. */
export async function endsOf(redis: TestRedis, deltas: string) {
  const entries = (await redis.xRange(deltas, '-', '+')) ?? []
  return entries.flatMap(({ id, message }) =>
    message.end === undefined ? [] : [{ id, fields: { ...message } }],
  )
}

/** Writes deltas as the stub does, with nothing of a worker around it. */
export async function deltaWriter(
  url: string,
  {
    keys,
    run,
    ttlMs = 60_000,
    ...more
  }: { keys: JobKeys; run: string; ttlMs?: number; most?: number },
): Promise<DeltaWriter> {
  const log = createLog('silent')
  const redis = new RedisConnection(url, 'worker', log)
  onTestFinished(() => redis.close())
  redis.open()
  await eventually('connected', () => redis.link.ready)
  return new DeltaWriter({
    redis,
    keys,
    run,
    ttlMs,
    signal: new AbortController().signal,
    log,
    ...more,
  })
}

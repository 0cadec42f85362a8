import { protollmV1 } from '../../src/dialects/protollm-v1.ts'
import { Follower } from '../../src/gateway/follower.ts'
import { coreScene } from './core.ts'
import { MemoryStream } from './stream.ts'
import type { Dialect } from '../../src/dialect.ts'
import type { OnHint } from '../../src/redis/push.ts'
import type { StoredJob } from '../../src/redis/record/stored-job.ts'

const dialect = protollmV1.create({ REDIS_PREFIX: 'p' })

/** As protollm 1.0 writes it, by a worker that says besides that it runs. */
const decodeResult: Dialect['decodeResult'] = (values) =>
  values[0] === 'running' ? 'running' : dialect.decodeResult(values)

/** A job of this run as the record and the result key say; with a content, it has succeeded. */
export function stored(
  content: string | null,
  more: Partial<StoredJob> = {},
  run = 'r1',
): StoredJob {
  const who = { run, fingerprint: 'f', owner: '', holder: 'a-1' }
  const end =
    content === null ? {} : ({ state: 'done', outcome: 'succeeded', finished: 7 } as const)
  return {
    record: { v: 1, ...who, created: 5, life: 80_000, keep: 20_000, ...end },
    remainingMs: 60_000,
    isSure: true,
    wasInFlight: content === null,
    hasDeltas: false,
    values: [content === null ? null : JSON.stringify({ content })],
    ...more,
  }
}

/** One request that follows a job; the test says what is in Redis, and when Redis tells of it. */
export function followerScene() {
  const { parts, records } = coreScene({ dialect: { decodeResult } })
  const stream = new MemoryStream()
  /** What was read, in order. */
  const reads: string[] = []
  /** As the look finds it; changed by the test. */
  const now = { stored: stored(null) as StoredJob | undefined }
  records.view.mockImplementation(async () => {
    reads.push('job')
    return now.stored
  })
  const hints = new Map<string, OnHint>()
  const ended: string[] = []
  let arm = (): void => {}
  let refuse = (_error: Error): void => {}
  const armed = new Promise<void>((resolve, reject) => {
    arm = resolve
    refuse = reject
  })
  armed.catch(() => {})
  let leave = (): void => {}
  const client = { isGone: false, onGone: (listener: () => void) => (leave = listener) }
  const push = {
    watch: (keys: readonly string[], onHint: OnHint) => {
      for (const key of keys) hints.set(key, onHint)
      return { armed, end: () => void ended.push(...keys) }
    },
  }
  const deltas = {
    after: async (key: string, id: string) => {
      reads.push('deltas')
      return stream.after(key, id)
    },
    isTrimmed: async () => false,
  }
  const follower = new Follower({ ...parts, push, deltas }, { id: 'j', owner: '' }, client)
  const { results, deltas: deltasKey } = records.keysOf('j')
  return {
    follower,
    stream,
    reads,
    now,
    hints,
    ended,
    arm: () => arm(),
    refuse,
    leave: () => {
      client.isGone = true
      leave()
    },
    hintResult: () => hints.get(results[0])?.('notification'),
    hintDeltas: () => hints.get(deltasKey)?.('notification'),
    keys: [results[0], deltasKey],
  }
}

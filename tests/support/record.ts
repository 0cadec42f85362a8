import { READ_WITHIN_MS } from '../../src/redis/record/lua.ts'
import { jobKeysOf } from '../../src/redis/record/job-records.ts'
import type { JobRecord } from '../../src/redis/record/record.ts'
import type { TestRedis } from './scene.ts'

/** The keys beside a job's result. Tests get them here, and type none of them out. */
export const claimKey = (resultKey: string): string => jobKeysOf([resultKey]).record
export const cancelKey = (resultKey: string): string => jobKeysOf([resultKey]).cancel
export const deltasKey = (resultKey: string): string => jobKeysOf([resultKey]).deltas

export type ClaimState = 'claimed' | 'published' | 'done' | 'cancelled'

/** The part of a claim that tests look at. */
export interface Claim {
  readonly run: string
  readonly state: string
  readonly outcome: string | undefined
  readonly fingerprint: string | undefined
  readonly holder: string | undefined
  /** When it was made or taken over, in milliseconds by the clock of Redis. */
  readonly since: number
}

export type ClaimRecord = ReturnType<typeof claimRecord>

/**
 * The claim of the job with this result key. A test can look at it, and put it
 * into states that are hard to time. Only this file knows how a claim is stored.
 */
export function claimRecord(redis: TestRedis, resultKey: string) {
  const key = claimKey(resultKey)
  const now = async (): Promise<number> => {
    const [seconds, micros] = await redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }
  const read = async () => {
    const [text, life, resultLife] = await Promise.all([
      redis.get(key),
      redis.pTTL(key),
      redis.pTTL(resultKey),
    ])
    return text === null ? undefined : { record: JSON.parse(text) as JobRecord, life, resultLife }
  }
  const get = async (): Promise<Claim | undefined> => {
    const found = await read()
    if (found === undefined) return undefined
    const { record, life, resultLife } = found
    const wasRead = resultLife >= life && resultLife <= life + READ_WITHIN_MS
    const { run, outcome, fingerprint, holder } = record
    const state = record.state ?? (wasRead ? 'done' : 'claimed')
    const since = record.since ?? (await now()) - (record.life - life)
    return { run, state, outcome, fingerprint, holder, since }
  }
  const change = async (changes: Partial<Record<keyof JobRecord, unknown>>): Promise<void> => {
    const found = await read()
    if (found === undefined) throw new Error('there is no record')
    await redis.set(key, JSON.stringify({ ...found.record, ...changes }), {
      expiration: 'KEEPTTL',
    })
  }
  const unmarked = { state: undefined, outcome: undefined, finished: undefined, left: undefined }
  return {
    key,
    get,
    run: async () => (await get())?.run,
    state: async () => (await get())?.state,
    exists: async () => (await redis.exists(key)) === 1,
    /** Milliseconds until Redis forgets it; -1 where it never does. */
    lifeMs: () => redis.pTTL(key),
    /** Makes a claim that names this run and nothing else, for a test without a gateway. */
    create: async (run: string) => {
      const [life, keep] = [120_000, 60_000]
      const who = { run, fingerprint: '', owner: '', holder: 'a test' }
      const record: JobRecord = { v: 1, ...who, created: await now(), life, keep }
      await redis.set(key, JSON.stringify(record), { expiration: { type: 'PX', value: life } })
    },
    /** As if it had been released, or Redis had lost it. */
    remove: () => redis.del(key),
    setState: (state: ClaimState) =>
      change(state === 'claimed' ? unmarked : { ...unmarked, state }),
    /** As a replica leaves it that died between its claim and its publish. */
    abandon: async (agoMs: number) => change({ ...unmarked, since: (await now()) - agoMs }),
    /** Makes it so old, in the state in which it is. */
    age: async (ms: number) => change({ since: (await now()) - ms }),
    /** Since when its askers count no more, as of processes that were killed. */
    loseAskers: async (agoMs: number) => {
      const till = (await now()) - agoMs
      const askers = Object.keys((await read())?.record.askers ?? {})
      await change({ askers: Object.fromEntries(askers.map((asker) => [asker, till])) })
    },
    askers: async () => (await read())?.record.askers ?? {},
    /** The life of its job is over. */
    expire: async () => redis.pExpire(key, (await read())?.record.keep ?? 1),
  }
}

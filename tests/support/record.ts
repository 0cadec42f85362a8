import type { TestRedis } from './scene.ts'

/** The keys beside a job's result, as the tests know them: no test types one out. */
export const claimKey = (resultKey: string): string => `{${resultKey}}:claim`
export const cancelKey = (resultKey: string): string => `{${resultKey}}:cancel`
export const deltasKey = (resultKey: string): string => `{${resultKey}}:deltas`
/** The index of the sweep. */
export const pendingKey = (prefix: string): string => `${prefix}:@pending`

export type ClaimState = 'claimed' | 'published' | 'done' | 'cancelled'

/** What a claim says, as far as the tests ask. */
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
 * The claim of the job with this result key: to be looked at, and to be put
 * into states that are hard to time. Only this file knows how it is stored.
 */
export function claimRecord(redis: TestRedis, resultKey: string) {
  const key = claimKey(resultKey)
  const get = async (): Promise<Claim | undefined> => {
    const { run, state = '', outcome, fingerprint, holder, since } = await redis.hGetAll(key)
    return run === undefined
      ? undefined
      : { run, state, outcome, fingerprint, holder, since: Number(since) }
  }
  /** By the clock of Redis. */
  const msAgo = async (ms: number): Promise<string> =>
    String(Number((await redis.time())[0]) * 1000 - ms)
  return {
    get,
    run: async () => (await get())?.run,
    state: async () => (await get())?.state,
    exists: async () => (await redis.exists(key)) === 1,
    /** Milliseconds until Redis forgets it; -1 where it never does. */
    lifeMs: () => redis.pTTL(key),
    /** For a test that stands in for the gateway: a claim of this run, and no more in it. */
    create: (run: string) => redis.hSet(key, { run }),
    /** As if it had been released, or Redis had lost it. */
    remove: () => redis.del(key),
    setState: (state: ClaimState) => redis.hSet(key, { state }),
    /** As a replica leaves it that died between its claim and its publish. */
    abandon: async (agoMs: number) =>
      redis.hSet(key, { state: 'claimed', since: await msAgo(agoMs) }),
    /** Makes it so old, in the state in which it is. */
    age: async (ms: number) => redis.hSet(key, { since: await msAgo(ms) }),
    /** The life of its job is over. */
    expire: () => redis.hSet(key, { deadline: '1' }),
  }
}

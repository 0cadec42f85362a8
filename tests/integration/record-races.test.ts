import { describe, expect, test } from 'vitest'
import { holding, recordScene, success } from '../support/job-records.ts'

type Step = () => Promise<unknown>

/** All orders of these sequences in which each keeps its own order. */
function interleavings<T>(...sequences: (readonly T[])[]): T[][] {
  const open = sequences.filter((sequence) => sequence.length > 0)
  if (open.length === 0) return [[]]
  return open.flatMap((sequence, index) => {
    const rest = open.map((other, at) => (at === index ? other.slice(1) : other))
    return interleavings(...rest).map((order) => [sequence[0] as T, ...order])
  })
}

describe('a reader of a run that ends while it reads', () => {
  const names = interleavings(
    ['read result', 'read record'],
    ['cancel', 'new run', 'answer to the new run'],
    ['late answer to the old run'],
  )

  test('never takes the answer to another payload for its own, in any order', async () => {
    const seen: string[] = []
    for (const order of names) {
      const { connection, redis, records, recordsOf, key, keys, claim } = await recordScene()
      const old = await claim('payload 1', 'old')
      const result = holding(connection.client, 'getRange')
      const record = holding(result.client, 'get')
      // The reader's two commands are sent when their turn comes, and not as one batch.
      const reading = recordsOf(record.client).read(keys, old)
      const settled = async (work: () => void): Promise<void> => {
        work()
        await redis.ping()
        await connection.client.ping()
      }
      const steps: Record<string, Step> = {
        'read result': () => settled(result.letGo),
        'read record': () => settled(record.letGo),
        cancel: () => records.end(keys, 'old', ['cancelled']),
        'new run': () => claim('payload 2', 'new'),
        'answer to the new run': () => redis.set(key, 'answer to payload 2'),
        'late answer to the old run': () => redis.set(key, 'answer to payload 1'),
      }
      for (const name of order) await (steps[name] as Step)()
      const { run, isCancelled, values } = await reading
      const isTaken = run === 'old' && !isCancelled
      const what = isTaken ? `takes ${values[0]}` : isCancelled ? 'cancelled' : 'moved'
      seen.push(what)
      expect([order, what]).not.toEqual([order, 'takes answer to payload 2'])
    }
    expect(new Set(seen)).toEqual(
      new Set(['takes null', 'takes answer to payload 1', 'cancelled', 'moved']),
    )
  }, 60_000)
})

describe('a result that an earlier run left', () => {
  /** A claims over the leftover, and has not deleted it yet. */
  async function unclean(more: { readonly life?: number } = {}) {
    const scene = await recordScene()
    const { connection, redis, recordsOf, key, claim } = scene
    const life = more.life === undefined ? {} : { expiration: { type: 'PX', value: more.life } }
    await redis.set(key, 'answer to a payload of yesterday', life as object)
    const publisher = holding(connection.client, 'claimJob')
    const claiming = claim('f', 'a', {}, recordsOf(publisher.client))
    await publisher.isReached
    return { ...scene, publisher, claiming }
  }

  test.each([
    ['without a time to live', undefined],
    ['with a long one of its worker’s', 86_400_000],
  ])('%s, is not sure to a request that joins before it is deleted', async (_, life) => {
    const { claim, publisher, claiming, records, keys } = await unclean(
      life === undefined ? {} : { life },
    )
    const joined = await claim('f', 'b')
    expect(joined).toMatchObject({ verdict: 'joined', run: 'a', isAnswered: true, isSure: false })
    expect((await records.view(keys))?.isSure).toBe(false)
    publisher.letGo()
    const cleaned = await claiming
    // Under a fresh run: what the joiner is about to read belongs to none that it knows.
    expect(cleaned).toMatchObject({ verdict: 'new', isSure: true })
    const { run, values } = await records.read(keys, joined)
    expect({ run, values }).toEqual({ run: cleaned.run, values: [null] })
    expect(run).not.toBe(joined.run)
  })

  test('is deleted by the request that takes over from a publisher that died before it had looked', async () => {
    const { claim, redis, key, stored } = await unclean()
    await stored().age(6_000)
    expect(await claim('f', 'b')).toMatchObject({ verdict: 'takeover', run: 'a', isSure: true })
    expect(await redis.exists(key)).toBe(0)
  })

  test.each([
    ['a worker that has streamed for this run', { run: 'a' }, 'joined'],
    ['a worker that has streamed for an earlier run', { run: 'z' }, 'takeover'],
  ])('is, after its grace, proven to be published by %s', async (_, more, verdict) => {
    const { claim, redis, keys, stored } = await unclean()
    await redis.xAdd(keys.deltas, '*', { text: 'x', ...more })
    await stored().age(6_000)
    expect(await claim('f', 'b')).toMatchObject({
      verdict,
      run: 'a',
      isPublished: verdict === 'joined',
    })
    expect(await redis.exists(keys.deltas)).toBe(verdict === 'joined' ? 1 : 0)
  })

  test('is never given the life by which a result that was read is known', async () => {
    const { claim, records, keys, stored, redis, key } = await unclean()
    await stored().age(6_000)
    await redis.pExpire(stored().key, (await stored().lifeMs()) - 6_000)
    expect(await records.expireUnread(keys, { orphanTtlMs: 1_000, graceMs: 5_000 })).toBe(1)
    expect(await redis.pTTL(key)).toBeLessThan(await stored().lifeMs())
    expect(await claim('g', 'c')).toMatchObject({ verdict: 'conflict', isSure: false })
    expect(await claim('f', 'b')).toMatchObject({ verdict: 'takeover' })
  })
})

describe('a result that was read without a mark', () => {
  test('is replayed to the same payload, and another payload may look whether it is an end', async () => {
    const { records, redis, key, keys, claim } = await recordScene()
    const claimed = await claim('f', 'first')
    await redis.set(key, 'x')
    // Written and not read: it may be a leftover, for all that a script knows.
    expect(await claim('g', 'other')).toMatchObject({ verdict: 'conflict', isSure: false })
    await records.settle(keys, claimed, await records.read(keys, claimed), success())
    expect(await claim('g', 'other')).toMatchObject({ verdict: 'conflict', isSure: true })
    expect(await claim('f', 'again')).toMatchObject({ isAnswered: true, isSure: true })
  })

  test('of a record that a joiner had found clean is sure at once', async () => {
    const { redis, key, claim } = await recordScene()
    await claim('f', 'first')
    await claim('f', 'joiner')
    await redis.set(key, 'x')
    expect(await claim('f', 'third')).toMatchObject({ isAnswered: true, isSure: true })
  })
})

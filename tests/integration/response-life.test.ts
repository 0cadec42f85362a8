import { describe, expect, test } from 'vitest'
import { MAX_CHUNK_ENTRIES, MAX_ENTRIES } from '../../worker-stub/delta-writer.ts'
import { jobKeysOf } from '../../src/redis/record/job-records.ts'
import { deltaWriter } from '../support/deltas.ts'
import { startOpenAiGateway } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { claimRecord } from '../support/record.ts'
import { chunk, eventsOf, hello, pause, responseScene, talk } from '../support/response-scene.ts'
import { freshSettings, testRedis } from '../support/scene.ts'
import { echoAt, startWorker } from '../support/worker-stub.ts'
import type { EngineJob } from '../support/engine-worker.ts'

const DELTAS = 120_000
const AT_ONCE = 10_000

/** So many entries at once: one command for each would take the test most of its time. */
const WRITE = `
for i = 1, ARGV[3] do redis.call('XADD', KEYS[1], '*', 'text', ARGV[1], 'chunks', ARGV[2]) end
`

describe(`a background response of ${DELTAS.toLocaleString('en')} deltas`, () => {
  async function written(most: number) {
    const scene = await responseScene(pause)
    const { create, worker, settings } = scene
    const { redis } = worker
    const { json } = await create(hello({ background: true, stream: false }))
    const job = await eventually('the worker has it', () => worker.jobs[0])
    const key = worker.key(json.id)
    const keys = jobKeysOf([key])
    const entry = ['a ', `[${chunk({ content: 'a ' })}]`, String(AT_ONCE)]
    for (let count = 0; count < DELTAS; count += AT_ONCE) {
      await redis.eval(WRITE, { keys: [keys.deltas], arguments: entry })
    }
    const run = (await claimRecord(redis, key).run()) as string
    const writer = await deltaWriter(settings.REDIS_URL ?? '', { keys, run, most })
    // The first entry of this worker is of a second attempt where the entries name a run; these name none.
    writer.add('b', chunk({ content: 'b' }, 'stop'))
    await writer.close()
    await job.end({ kind: 'succeeded', content: `${'a '.repeat(DELTAS)}b` })
    return { ...scene, id: json.id as string, keys }
  }

  test('has all of its numbers, on every replica', async () => {
    const { read, id, settings, keys, worker } = await written(MAX_CHUNK_ENTRIES)
    const other = await startOpenAiGateway(settings)
    const { text } = await read(`${id}?stream=true`)
    const events = eventsOf(text)
    expect(events.every(({ sequence_number }, at) => sequence_number === at)).toBe(true)
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta')
    expect(deltas).toHaveLength(DELTAS + 1)
    expect(events.at(-1)?.type).toBe('response.completed')
    const path = `/v1/responses/${id}?stream=true`
    expect((await (await fetch(other.url + path)).text()) === text).toBe(true)
    const late = await (await fetch(`${other.url}${path}&starting_after=${DELTAS}`)).text()
    expect(eventsOf(late)).toEqual(events.slice(DELTAS + 1))
    const bytes = Number(await worker.redis.memoryUsage(keys.deltas, { SAMPLES: 0 }))
    // What MAX_CHUNK_ENTRIES may cost: a chunk of this engine has some 90 bytes.
    expect(bytes / DELTAS).toBeLessThan(400)
  }, 120_000)

  test('whose head a worker has cut is refused, and can be read whole', async () => {
    const { read, id, ended } = await written(MAX_ENTRIES)
    await ended(id)
    for (const after of ['', '&starting_after=5', `&starting_after=${DELTAS}`]) {
      const { status, json } = await read(`${id}?stream=true${after}`)
      expect([status, json.error.code]).toEqual([400, 'response_not_streamable'])
    }
    const { json } = await read(id)
    expect(json.output[0].content[0].text).toBe(`${'a '.repeat(DELTAS)}b`)
  }, 120_000)
})

test('the deltas of a response live as long as its result, where the worker keeps them a tenth of that', async () => {
  const settings = { ...freshSettings(), RESULT_TTL_S: '20' }
  await startWorker({ ...settings, RESULT_TTL_S: '2' }, echoAt(100))
  const gateways = [await startOpenAiGateway(settings), await startOpenAiGateway(settings)]
  const redis = await testRedis()
  const [first, second] = gateways.map(({ url }) => `${url}/v1/responses`) as [string, string]
  const created = await fetch(first, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(hello({ background: true, stream: true, reasoning: { effort: 'low' } })),
  })
  const text = await created.text()
  const { id = '' } = eventsOf(text)[0]?.response ?? {}
  const key = `${settings.REDIS_PREFIX}:${id}`
  const { record, deltas, kept } = jobKeysOf([key])
  const [ofDeltas, ofKept, ofRecord, ofResult] = await redis
    .multi()
    .pTTL(deltas)
    .pTTL(kept)
    .pTTL(record)
    .pTTL(key)
    .execTyped()
  expect(ofResult).toBeGreaterThan(10_000)
  for (const life of [ofDeltas, ofKept, ofRecord]) {
    expect(life).toBeGreaterThanOrEqual(ofResult - 100)
  }
  const replay = await (await fetch(`${second}/${id}?stream=true`)).text()
  expect(replay.replaceAll(': ping\n', '')).toBe(text.replaceAll(': ping\n', ''))
})

describe('all that a background response stores has a time to live, once it', () => {
  type Scene = Awaited<ReturnType<typeof responseScene>>
  const failing = ({ say, end }: EngineJob) =>
    say({ text: 'A' }).then(() => end({ kind: 'failed', type: 'E', message: 'm' }))
  const speaking = ({ say }: EngineJob) => say({ text: 'A' })
  interface End {
    readonly work: (job: EngineJob) => Promise<unknown>
    readonly settings?: Record<string, string>
    readonly bring?: (scene: Scene, id: string) => Promise<unknown>
    readonly status?: string
  }
  const ends: Readonly<Record<string, End>> = {
    'has succeeded': { work: talk, status: 'completed' },
    'has failed': { work: failing, status: 'failed' },
    'was cancelled': {
      work: speaking,
      bring: ({ read }, id) => read(`${id}/cancel`, 'POST'),
      status: 'cancelled',
    },
    'has expired': {
      work: speaking,
      settings: { JOB_TTL_S: '1', TIMEOUT: '1' },
      status: 'failed',
    },
    'was deleted': {
      work: talk,
      bring: async ({ ended, read }, id) => {
        await ended(id)
        await read(id, 'DELETE')
      },
    },
    'was deleted while it ran': { work: speaking, bring: ({ read }, id) => read(id, 'DELETE') },
  }

  test.each(Object.entries(ends))('%s', async (_, { work, settings, bring, status }) => {
    const scene = await responseScene(work, settings)
    const { create, ended, worker } = scene
    const { redis } = worker
    const { json } = await create(hello({ background: true }), { 'idempotency-key': 'k' })
    const { id } = json as { id: string }
    const { deltas } = jobKeysOf([worker.key(id)])
    await eventually('it has streamed', async () => (await redis.xLen(deltas)) > 0)
    await bring?.(scene, id)
    const end = status === undefined ? undefined : await ended(id)
    expect(end?.status).toBe(status)
    const keys = await redis.keys(`*${scene.settings.REDIS_PREFIX}:*`)
    const own = keys.filter((key) => key.includes(id))
    // A worker that still runs has to find the cancel key of a job that was deleted.
    const left = own.filter((key) => !key.endsWith(':cancel'))
    expect(left.length > 0).toBe(status !== undefined)
    // Workers and models that announce themselves, and the probe, are of no response.
    const others = keys.filter((key) => /@(background|unanswered)/.test(key))
    const lives = await Promise.all([...own, ...others].map((key) => redis.pTTL(key)))
    expect([...own, ...others].filter((_key, at) => (lives[at] as number) <= 0)).toEqual([])
    const background = `${scene.settings.REDIS_PREFIX}:@background`
    expect(await redis.zScore(background, id)).toBeNull()
  })
})

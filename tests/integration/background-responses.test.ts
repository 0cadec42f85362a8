import { describe, expect, test } from 'vitest'
import { unique } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { deltasKey } from '../support/record.ts'
import { chunk, hello, pause, sayHi, talk, responseScene } from '../support/response-scene.ts'

describe('a background response', () => {
  test('is cancelled once, and stays as it ended', async () => {
    const { create, read } = await responseScene(pause)
    const { json } = await create(hello({ background: true }))
    const cancelled = await read(`${json.id}/cancel`, 'POST')
    expect([cancelled.status, cancelled.json.status]).toEqual([200, 'cancelled'])
    expect((await read(`${json.id}/cancel`, 'POST')).json).toEqual(cancelled.json)
    expect((await read(json.id)).json).toEqual(cancelled.json)
  })

  test('that has ended is unchanged by a cancel, and a plain one cannot be cancelled', async () => {
    const { create, read, ended } = await responseScene(sayHi)
    const { json } = await create(hello({ background: true }))
    const done = await ended(json.id)
    expect((await read(`${json.id}/cancel`, 'POST')).json).toEqual(done)
    const plain = await create(hello())
    expect((await read(`${plain.json.id}/cancel`, 'POST')).status).toBe(400)
  })

  test('leaves nothing once it is deleted', async () => {
    const { create, read, ended, worker, settings } = await responseScene(talk)
    const { json } = await create(hello({ background: true }))
    await ended(json.id)
    expect(await read(json.id, 'DELETE')).toMatchObject({
      status: 200,
      json: { id: json.id, object: 'response', deleted: true },
    })
    for (const path of [json.id, `${json.id}?stream=true`, `${json.id}/input_items`]) {
      expect((await read(path)).status).toBe(404)
    }
    expect((await read(json.id, 'DELETE')).status).toBe(404)
    const left = await worker.redis.keys(`*${settings.REDIS_PREFIX}*${json.id}*`)
    expect(left).toEqual([])
  })

  test('has one run, however often its request comes with the same Idempotency-Key', async () => {
    const { create, worker, ended } = await responseScene(talk)
    const key = { 'idempotency-key': unique() }
    const bodies = [hello({ background: true }), hello({ background: true })]
    const [a, b] = await Promise.all(bodies.map((body) => create(body, key)))
    expect(a?.json.id).toBe(b?.json.id)
    await ended(a?.json.id)
    const again = await create(hello({ background: true }), key)
    expect(again.json.status).toBe('completed')
    expect(worker.jobs).toHaveLength(1)
    const other = await create(hello({ background: true, metadata: { a: 'b' } }), key)
    expect(other.status).toBe(422)
  })

  test('is refused above the limit, until one has ended', async () => {
    const { create, read } = await responseScene(pause, { MAX_BACKGROUND: '2' })
    const [first] = [
      await create(hello({ background: true })),
      await create(hello({ background: true })),
    ]
    const refused = await create(hello({ background: true }))
    expect([refused.status, refused.json.error.code]).toEqual([429, 'too_many_background'])
    expect(refused.headers.get('retry-after')).toBe('1')
    await read(`${first?.json.id}/cancel`, 'POST')
    expect((await create(hello({ background: true }))).status).toBe(200)
  })

  test('is joined and replayed by its Idempotency-Key, also above the limit', async () => {
    const running = await responseScene(
      (job) => (running.worker.jobs.length === 1 ? sayHi(job) : pause()),
      { MAX_BACKGROUND: '1' },
    )
    const { create, ended } = running
    const [first, second] = [unique(), unique()].map((key) => ({ 'idempotency-key': key }))
    const { json } = await create(hello({ background: true }), first)
    await ended(json.id)
    await create(hello({ background: true }), second)
    expect((await create(hello({ background: true }))).status).toBe(429)
    expect((await create(hello({ background: true }), first)).json.status).toBe('completed')
    expect((await create(hello({ background: true }), second)).json.status).toBe('queued')
    expect(running.worker.jobs).toHaveLength(2)
  })

  test('that no client looked at when it ended makes room all the same', async () => {
    const { create, worker } = await responseScene(sayHi, { MAX_BACKGROUND: '1' })
    await create(hello({ background: true }))
    await eventually('the worker has answered', () => worker.jobs.length === 1)
    await eventually(
      'there is room',
      async () => (await create(hello({ background: true }))).status === 200,
    )
  })

  test('has an end that no late result changes: its life was over', async () => {
    const { create, ended, read, worker } = await responseScene(pause, {
      JOB_TTL_S: '1',
      TIMEOUT: '1',
    })
    const { json } = await create(hello({ background: true }))
    const expired = await ended(json.id)
    expect(expired).toMatchObject({ status: 'failed', error: { code: 'server_error' } })
    const { text } = await read(`${json.id}?stream=true`)
    await worker.jobs[0]?.say({ text: 'late' })
    await worker.jobs[0]?.end({ kind: 'succeeded', content: 'late' })
    expect((await read(json.id)).json).toEqual(expired)
    expect((await read(`${json.id}?stream=true`)).text).toBe(text)
  })

  test('has that end also where a client that waited for it was the first to see it', async () => {
    const { create, read, worker } = await responseScene(pause, { JOB_TTL_S: '2', TIMEOUT: '5' })
    const { status, json, headers } = await create(hello())
    expect([status, json.error.code]).toEqual([504, 'job_expired'])
    const id = headers.get('x-job-id') as string
    await worker.jobs[0]?.end({ kind: 'succeeded', content: 'late' })
    expect((await read(id)).json).toMatchObject({ status: 'failed', output: [] })
  })

  test('has numbers that no entry behind its end changes', async () => {
    const { create, read, worker } = await responseScene(async ({ say }) => {
      await say({ text: 'A', chunks: `[${chunk({ content: 'A' })}]` })
    })
    const { json } = await create(hello({ background: true }))
    await eventually('it runs', async () => (await read(json.id)).json.status === 'in_progress')
    await read(`${json.id}/cancel`, 'POST')
    const { text } = await read(`${json.id}?stream=true`)
    await worker.jobs[0]?.say({ text: 'B', chunks: `[${chunk({ content: 'B' })}]` })
    expect((await read(`${json.id}?stream=true`)).text).toBe(text)
  })

  test('whose first events are gone is read whole, and not streamed with other numbers', async () => {
    const { create, read, ended, worker, settings } = await responseScene(talk)
    const { json } = await create(hello({ background: true }))
    const done = await ended(json.id)
    await worker.redis.xTrim(deltasKey(`${settings.REDIS_PREFIX}:${json.id}`), 'MAXLEN', 2)
    const streamed = await read(`${json.id}?stream=true&starting_after=2`)
    expect([streamed.status, streamed.json.error.code]).toEqual([400, 'response_not_streamable'])
    expect((await read(json.id)).json.output).toHaveLength(done.output.length)
  })

  test('leaves nothing that lives for ever', async () => {
    const { create, ended, read, worker, settings } = await responseScene(talk)
    const { json } = await create(hello({ background: true }))
    await ended(json.id)
    await read(`${json.id}?stream=true`)
    const keys = await worker.redis.keys(`*${settings.REDIS_PREFIX}:*`)
    expect(keys.some((key) => key.endsWith(':kept'))).toBe(true)
    for (const key of keys.filter((one) => one.includes(json.id))) {
      expect(await worker.redis.pTTL(key)).toBeGreaterThan(0)
    }
  })
})

import { describe, expect, test } from 'vitest'
import { ask, unique } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { claimKey, deltasKey } from '../support/record.ts'
import {
  RESPONSES,
  chunk,
  eventsOf,
  hello,
  pause,
  sayHi,
  talk,
  responseScene,
} from '../support/response-scene.ts'

describe('a response', () => {
  test('is the engine’s answer as items, and can be read later', async () => {
    const { create, read, worker } = await responseScene(sayHi)
    const { status, json, headers } = await create(
      hello({ metadata: { a: 'b' }, instructions: 'Be brief' }),
    )
    expect(status).toBe(200)
    expect(json).toMatchObject({
      object: 'response',
      status: 'completed',
      model: 'whole',
      metadata: { a: 'b' },
      instructions: 'Be brief',
      usage: { input_tokens: 2, output_tokens: 3, total_tokens: 5 },
      output: [
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] },
      ],
    })
    expect(json.id).toMatch(/^resp_/)
    expect(headers.get('x-job-id')).toBe(json.id)
    expect((await read(json.id)).json).toEqual(json)
    expect(JSON.parse(worker.jobs[0]?.body ?? '')).toMatchObject({
      messages: [
        { role: 'system', content: 'Be brief' },
        { role: 'user', content: 'Hello' },
      ],
      stream: false,
    })
  })

  test('that is not stored cannot be read', async () => {
    const { create, read } = await responseScene(sayHi)
    const { json } = await create(hello({ store: false }))
    const { status, json: error } = await read(json.id)
    expect([status, error.error.code]).toEqual([404, 'response_not_found'])
  })

  test('that is not stored cannot be read either where its key had one that was stored', async () => {
    const { create, read, worker } = await responseScene(sayHi)
    const key = { 'idempotency-key': unique() }
    const { json: first } = await create(hello(), key)
    const ofResult = worker.key(first.id)
    // Its time is over, and what was kept of its request lives a little longer than the rest.
    await worker.redis.del([claimKey(ofResult), deltasKey(ofResult), ofResult])
    const { json } = await create(hello({ store: false }), key)
    expect(json).toMatchObject({ id: first.id, store: false, status: 'completed' })
    expect((await read(json.id)).status).toBe(404)
  })

  test('is streamed, and every later reading tells the same events', async () => {
    const { create, read } = await responseScene(talk)
    const { text } = await create(hello({ stream: true }))
    const events = eventsOf(text)
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()])
    expect(events[0]?.type).toBe('response.created')
    expect(events.at(-1)?.type).toBe('response.completed')
    const { id = '' } = events[0]?.response ?? {}
    expect((await read(`${id}?stream=true`)).text).toBe(text)
    for (const after of [0, 3, events.length - 1, 1000]) {
      const { text: rest } = await read(`${id}?stream=true&starting_after=${after}`)
      expect(eventsOf(rest)).toEqual(events.slice(after + 1))
    }
    expect((await read(id)).json).toEqual(events.at(-1)?.response)
  })

  test('in the background is answered at once, and is read when it is done', async () => {
    const { create, read, ended, worker } = await responseScene(talk)
    const { json } = await create(hello({ background: true }))
    expect(json).toMatchObject({ status: 'queued', background: true, output: [] })
    const done = await ended(json.id)
    expect(done.output.map(({ type }: { type: string }) => type)).toEqual([
      'reasoning',
      'message',
      'function_call',
    ])
    const { text } = await read(`${json.id}?stream=true`)
    expect(eventsOf(text).at(-1)?.response).toEqual(done)
    expect(JSON.parse(worker.jobs[0]?.body ?? '')).toMatchObject({ stream: true })
  })

  test('continues another one with its input and output in front', async () => {
    const { create, read, worker } = await responseScene(talk)
    const { json: first } = await create(hello({ tools: [{ type: 'function', name: 'f' }] }))
    const output = [{ type: 'function_call_output', call_id: 'call_1', output: 'fine' }]
    const { json, status } = await create(hello({ input: output, previous_response_id: first.id }))
    expect(status).toBe(200)
    const { messages } = JSON.parse(worker.jobs[1]?.body ?? '')
    expect(messages.map(({ role }: { role: string }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
    ])
    const { json: list } = await read(`${json.id}/input_items?order=asc`)
    expect(list.data.map(({ type }: { type: string }) => type)).toEqual([
      'message',
      'reasoning',
      'message',
      'function_call',
      'function_call_output',
    ])
    const lost = await create(hello({ previous_response_id: 'resp_none' }))
    expect([lost.status, lost.json.error.param]).toEqual([400, 'previous_response_id'])
  })

  test('whose time is over cannot be continued, nor can its input be read', async () => {
    const { create, read, worker } = await responseScene(sayHi)
    const { json: first } = await create(hello())
    // What was kept of its request lives a little longer than the rest.
    await worker.redis.del(claimKey(worker.key(first.id)))
    const { status, json } = await create(hello({ previous_response_id: first.id }))
    const { code, param } = json.error
    expect([status, code, param]).toEqual([
      400,
      'previous_response_not_found',
      'previous_response_id',
    ])
    expect((await read(`${first.id}/input_items`)).status).toBe(404)
  })
})

test('native routes make no job that could be a response, and can read one', async () => {
  const { url, create, ended } = await responseScene(sayHi)
  const { json } = await create(hello({ background: true }))
  await ended(json.id)
  const body = { job_id: json.id, content: 'x', meta: {} }
  for (const path of ['/generate', '/jobs']) expect((await ask(url, path, body)).status).toBe(422)
  expect((await fetch(`${url}/jobs/${json.id}`)).status).toBe(200)
})

describe('a client that leaves a stream', () => {
  const leaving = async (body: object) => {
    const running = await responseScene(pause)
    const client = new AbortController()
    const reply = await fetch(running.url + RESPONSES, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(hello({ stream: true, ...body })),
      signal: client.signal,
    })
    const id = reply.headers.get('x-job-id') as string
    client.abort()
    return { ...running, id }
  }

  test('ends its response', async () => {
    const { ended, id } = await leaving({})
    expect((await ended(id)).status).toBe('cancelled')
  })

  test('ends no response that runs in the background', async () => {
    const { read, id, worker } = await leaving({ background: true })
    await eventually('the job has begun', () => worker.jobs.length === 1)
    await worker.jobs[0]?.say({ text: 'A', chunks: `[${chunk({ content: 'A' })}]` })
    expect((await read(id)).json.status).toBe('in_progress')
    await worker.jobs[0]?.end({ kind: 'succeeded', content: 'A' })
    expect((await read(id)).json.status).toBe('completed')
  })
})

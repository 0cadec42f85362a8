import { describe, expect, test } from 'vitest'
import { ask, startEngineWorker, startOpenAiGateway, unique } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { deltasKey } from '../support/record.ts'
import { freshSettings } from '../support/scene.ts'
import type { EngineJob } from '../support/engine-worker.ts'

const RESPONSES = '/v1/responses'
const chunk = (delta: object, finish: string | null = null) =>
  JSON.stringify({ id: 'e', choices: [{ index: 0, delta, finish_reason: finish }] })
const bodyOf = (message: object, finish = 'stop') =>
  JSON.stringify({
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
    usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
  })
const hello = (more: object = {}) => ({ model: 'whole', input: 'Hello', ...more })

/** Thinks, says two words, calls a function. */
async function talk({ say, end }: EngineJob): Promise<void> {
  await say({ chunks: `[${chunk({ role: 'assistant', reasoning_content: 'hm' })}]` })
  await say({ text: 'A', chunks: `[${chunk({ content: 'A' })}]` })
  await say({ text: 'I', chunks: `[${chunk({ content: 'I' })}]` })
  const call = {
    index: 0,
    id: 'call_1',
    type: 'function',
    function: { name: 'f', arguments: '{"a"' },
  }
  await say({ chunks: `[${chunk({ tool_calls: [call] })}]` })
  const rest = { index: 0, function: { arguments: ':1}' } }
  await say({ chunks: `[${chunk({ tool_calls: [rest] })},${chunk({}, 'tool_calls')}]` })
  const whole = { ...call, index: undefined, function: { name: 'f', arguments: '{"a":1}' } }
  const message = { content: 'AI', reasoning_content: 'hm', tool_calls: [whole] }
  await end({ kind: 'succeeded', content: 'AI', body: bodyOf(message, 'tool_calls') })
}

const sayHi = ({ end }: EngineJob) =>
  end({ kind: 'succeeded', content: 'Hi', body: bodyOf({ content: 'Hi' }) })

async function scene(
  work: (job: EngineJob) => Promise<unknown>,
  more: Record<string, string> = {},
) {
  const settings = { ...freshSettings(), ...more }
  const worker = await startEngineWorker(settings, work)
  const gateway = await startOpenAiGateway(settings)
  const { url } = gateway
  const create = async (body: object, headers: Record<string, string> = {}) => {
    const reply = await ask(url, RESPONSES, body, { headers })
    return { ...reply, json: reply.text.startsWith('{') ? JSON.parse(reply.text) : undefined }
  }
  const read = async (path: string, method = 'GET') => {
    const reply = await fetch(`${url}${RESPONSES}/${path}`, { method })
    const text = await reply.text()
    return { status: reply.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined }
  }
  const ended = (id: string) =>
    eventually('the response has ended', async () => {
      const { json } = await read(id)
      return json.status !== 'queued' && json.status !== 'in_progress' && json
    })
  return { settings, worker, gateway, url, create, read, ended }
}

interface Told {
  readonly type: string
  readonly sequence_number: number
  readonly response?: { readonly id: string }
}

/** The events of a stream, which ends as it must. */
function eventsOf(text: string): Told[] {
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line as string)
  expect(data.pop()).toBe('[DONE]')
  return data.map((line) => JSON.parse(line) as Told)
}

const pause = () => new Promise<never>(() => {})

describe('a response', () => {
  test('is the engine’s answer as items, and can be read later', async () => {
    const { create, read, worker } = await scene(sayHi)
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
    const { create, read } = await scene(sayHi)
    const { json } = await create(hello({ store: false }))
    const { status, json: error } = await read(json.id)
    expect([status, error.error.code]).toEqual([404, 'response_not_found'])
  })

  test('is streamed, and every later reading tells the same events', async () => {
    const { create, read } = await scene(talk)
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
    const { create, read, ended, worker } = await scene(talk)
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
    const { create, read, worker } = await scene(talk)
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
})

describe('a background response', () => {
  test('is cancelled once, and stays as it ended', async () => {
    const { create, read } = await scene(pause)
    const { json } = await create(hello({ background: true }))
    const cancelled = await read(`${json.id}/cancel`, 'POST')
    expect([cancelled.status, cancelled.json.status]).toEqual([200, 'cancelled'])
    expect((await read(`${json.id}/cancel`, 'POST')).json).toEqual(cancelled.json)
    expect((await read(json.id)).json).toEqual(cancelled.json)
  })

  test('that has ended is unchanged by a cancel, and a plain one cannot be cancelled', async () => {
    const { create, read, ended } = await scene(sayHi)
    const { json } = await create(hello({ background: true }))
    const done = await ended(json.id)
    expect((await read(`${json.id}/cancel`, 'POST')).json).toEqual(done)
    const plain = await create(hello())
    expect((await read(`${plain.json.id}/cancel`, 'POST')).status).toBe(400)
  })

  test('leaves nothing once it is deleted', async () => {
    const { create, read, ended, worker, settings } = await scene(talk)
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
    const { create, worker, ended } = await scene(talk)
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
    const { create, read } = await scene(pause, { MAX_BACKGROUND: '2' })
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

  test('that no client looked at when it ended makes room all the same', async () => {
    const { create, worker } = await scene(sayHi, { MAX_BACKGROUND: '1' })
    await create(hello({ background: true }))
    await eventually('the worker has answered', () => worker.jobs.length === 1)
    await eventually(
      'there is room',
      async () => (await create(hello({ background: true }))).status === 200,
    )
  })

  test('has an end that no late result changes: its life was over', async () => {
    const { create, ended, read, worker } = await scene(pause, { JOB_TTL_S: '1', TIMEOUT: '1' })
    const { json } = await create(hello({ background: true }))
    const expired = await ended(json.id)
    expect(expired).toMatchObject({ status: 'failed', error: { code: 'server_error' } })
    const { text } = await read(`${json.id}?stream=true`)
    await worker.jobs[0]?.say({ text: 'late' })
    await worker.jobs[0]?.end({ kind: 'succeeded', content: 'late' })
    expect((await read(json.id)).json).toEqual(expired)
    expect((await read(`${json.id}?stream=true`)).text).toBe(text)
  })

  test('has numbers that no entry behind its end changes', async () => {
    const { create, read, worker } = await scene(async ({ say }) => {
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
    const { create, read, ended, worker, settings } = await scene(talk)
    const { json } = await create(hello({ background: true }))
    const done = await ended(json.id)
    await worker.redis.xTrim(deltasKey(`${settings.REDIS_PREFIX}:${json.id}`), 'MAXLEN', 2)
    const streamed = await read(`${json.id}?stream=true&starting_after=2`)
    expect([streamed.status, streamed.json.error.code]).toEqual([400, 'response_not_streamable'])
    expect((await read(json.id)).json.output).toHaveLength(done.output.length)
  })

  test('leaves nothing that lives for ever', async () => {
    const { create, ended, read, worker, settings } = await scene(talk)
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

test('native routes make no job that could be a response, and can read one', async () => {
  const { url, create, ended } = await scene(sayHi)
  const { json } = await create(hello({ background: true }))
  await ended(json.id)
  const body = { job_id: json.id, content: 'x', meta: {} }
  for (const path of ['/generate', '/jobs']) expect((await ask(url, path, body)).status).toBe(422)
  expect((await fetch(`${url}/jobs/${json.id}`)).status).toBe(200)
})

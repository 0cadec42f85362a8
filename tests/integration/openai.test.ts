import { describe, expect, test } from 'vitest'
import { startEngineWorker, startOpenAiGateway, ask, unique } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { CHAT, hello } from '../support/openai.ts'
import { cancelKey } from '../support/record.ts'
import { freshSettings, startPlainWorker } from '../support/scene.ts'
import type { EngineJob } from '../support/engine-worker.ts'

const chunk = (delta: object, finish: string | null = null) =>
  JSON.stringify({ id: 'e', choices: [{ index: 0, delta, finish_reason: finish }] })
const ROLE = chunk({ role: 'assistant', content: '' })
const STOP = chunk({}, 'stop')

async function scene(
  work: (job: EngineJob) => Promise<unknown>,
  more: Record<string, string> = {},
) {
  const settings = { ...freshSettings(), ...more }
  const worker = await startEngineWorker(settings, work)
  const gateway = await startOpenAiGateway(settings)
  return { settings, worker, url: gateway.url, gateway }
}

const dataOf = (text: string): string[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data as string)

describe('a chat through a worker of whole bodies', () => {
  test('is answered with the body of its engine, and is also a job under /jobs', async () => {
    const body =
      '{"choices":[{"message":{"role":"assistant","content":"x"},"n":1.0}],"big":9007199254740993}'
    const { url, worker } = await scene((job) => job.end({ kind: 'succeeded', content: 'x', body }))
    const sent =
      '{"model":"whole","messages":[{"role":"user","content":"Hello"}],"seed":9007199254740993}'
    const { status, headers, text } = await ask(url, CHAT, sent)
    expect(status).toBe(200)
    const id = headers.get('x-job-id') as string
    expect(text).toMatch(/^\{"choices":.*"n":1\.0\}\],"big":9007199254740993,/)
    expect(JSON.parse(text)).toMatchObject({ id: `chatcmpl-${id}`, model: 'whole' })
    expect(worker.jobs[0]?.body).toContain('"seed":9007199254740993')
    const job = await fetch(`${url}/jobs/${id}`)
    expect(await job.json()).toMatchObject({ status: 'succeeded', outcome: { content: 'x' } })
  })

  test('is streamed as its engine sends the chunks', async () => {
    const { url } = await scene(async ({ say, end }) => {
      await say({ chunks: `[${ROLE}]` })
      await say({
        text: 'AI',
        chunks: `[${chunk({ content: 'A', n: 1 })},${chunk({ content: 'I' })}]`,
      })
      await say({ chunks: `[${STOP},{"choices":[],"usage":{"prompt_tokens":1}}]` })
      await end({ kind: 'succeeded', content: 'AI' })
    })
    const asked = { stream: true, stream_options: { include_usage: true } }
    const { status, headers, text } = await ask(url, CHAT, hello(asked))
    expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(headers.get('x-job-id')).toMatch(/./)
    expect(text).not.toMatch(/^(id|event|retry):/m)
    const data = dataOf(text)
    expect(data.pop()).toBe('[DONE]')
    expect(data.map((one) => (JSON.parse(one) as { choices: unknown[] }).choices)).toEqual([
      [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
      [{ index: 0, delta: { content: 'A', n: 1 }, finish_reason: null }],
      [{ index: 0, delta: { content: 'I' }, finish_reason: null }],
      [{ index: 0, delta: {}, finish_reason: 'stop' }],
      [],
    ])
  })

  test('that fails at once has the status of its error, also as a stream; later it is in the stream', async () => {
    const failed = {
      kind: 'failed',
      type: 't',
      message: 'no',
      status: 400,
      param: 'tools',
    } as const
    const { url } = await scene(async ({ body, say, end }) => {
      if (body.includes('late')) await say({ text: 'AI', chunks: `[${chunk({ content: 'AI' })}]` })
      await end(failed)
    })
    const error = { message: 'no', type: 't', param: 'tools', code: 'worker_failed' }
    for (const stream of [false, true]) {
      const { status, text } = await ask(url, CHAT, hello({ stream }))
      expect([status, JSON.parse(text)]).toEqual([400, { error }])
    }
    const { status, text } = await ask(url, CHAT, hello({ stream: true, user: 'late' }))
    expect(status).toBe(200)
    expect(dataOf(text).at(-1)).toBe(JSON.stringify({ error }))
  })

  test('continues behind a worker that is replaced, where the next one says the same', async () => {
    const { url } = await scene(async ({ body, say, end }) => {
      const ends = body.includes('other') ? 'other' : 'AI is'
      await say({ text: 'AI', chunks: `[${ROLE},${chunk({ content: 'AI' })}]` })
      await say({ attempt: '2', chunks: `[${ROLE}]` })
      await say({ attempt: '2', text: ends, chunks: `[${chunk({ content: ends })}]` })
      await end({ kind: 'succeeded', content: ends })
    })
    const same = dataOf((await ask(url, CHAT, hello({ stream: true }))).text)
    const deltas = same.slice(0, -1).map((one) => {
      const { choices } = JSON.parse(one) as { choices: { delta: { content?: string } }[] }
      return choices[0]?.delta.content ?? ''
    })
    expect([deltas.join(''), same.at(-1)]).toEqual(['AI is', '[DONE]'])
    const other = await ask(url, CHAT, hello({ stream: true, user: 'other' }))
    expect(dataOf(other.text).at(-1)).toContain('"code":"worker_restarted"')
  })

  test.each([false, true])(
    'is cancelled at once when its client leaves (stream: %s)',
    async (stream) => {
      const { url, worker } = await scene(({ say }) => say({ text: 'AI' }), { LEAVE_GRACE_S: '60' })
      const client = new AbortController()
      const asking = ask(url, CHAT, hello({ stream }), { signal: client.signal }).catch(
        () => 'left',
      )
      const [{ job }] = await eventually('the job', () =>
        worker.jobs.length > 0 ? (worker.jobs as [EngineJob]) : null,
      )
      client.abort()
      expect(await asking).toBe('left')
      await eventually('the job is cancelled', async () => {
        const view = (await (await fetch(`${url}/jobs/${job.id}`)).json()) as { status: string }
        return view.status === 'cancelled'
      })
      expect(await worker.redis.get(cancelKey(worker.key(job.id)))).toBeTruthy()
    },
  )

  test('that is cancelled by another is a 409, which is not to be sent again', async () => {
    const { url } = await scene(({ job }) => fetch(`${url}/jobs/${job.id}`, { method: 'DELETE' }))
    const { status, headers } = await ask(url, CHAT, hello())
    expect([status, headers.get('x-should-retry')]).toEqual([409, 'false'])
  })

  test('is run once by an Idempotency-Key, on whichever replica', async () => {
    const { settings, url, worker } = await scene((job) =>
      job.end({ kind: 'succeeded', content: 'x' }),
    )
    const other = await startOpenAiGateway(settings)
    const headers = { 'idempotency-key': unique() }
    const first = await ask(url, CHAT, hello(), { headers })
    const again = await ask(other.url, CHAT, hello(), { headers })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.text).toBe(first.text)
    const another = await ask(other.url, CHAT, hello({ seed: 1 }), { headers })
    expect(another.status).toBe(422)
    expect(worker.jobs).toHaveLength(1)
  })
})

describe('a request that comes again after a 504', () => {
  test('joins the job on whichever replica, once', async () => {
    const { settings, url, worker } = await scene(async () => {}, { TIMEOUT: '10' })
    const other = await startOpenAiGateway(settings)
    const headers = { 'x-stainless-timeout': '0.3' }
    const first = await ask(url, CHAT, hello(), { headers })
    expect([first.status, first.headers.get('x-should-retry')]).toEqual([504, 'false'])
    const id = first.headers.get('x-job-id') as string
    expect(first.text).toContain(id)
    const again = ask(other.url, CHAT, hello())
    await eventually('it has joined', async () => {
      const keys = await worker.redis.keys(`${settings.REDIS_PREFIX}:@unanswered:*`)
      return keys.length === 0
    })
    await worker.jobs[0]?.end({ kind: 'succeeded', content: 'late' })
    const { status, headers: answered, text } = await again
    expect([status, answered.get('x-job-id')]).toEqual([200, id])
    expect(answered.get('idempotent-replayed')).toBe('true')
    expect(text).toContain('late')
    expect(worker.jobs).toHaveLength(1)
    await ask(url, CHAT, hello(), { headers })
    expect(worker.jobs).toHaveLength(2)
  })

  test.each([
    ['text', true],
    ['whole bodies', false],
  ])(
    'begins a job of its own where its model has changed to %s meanwhile',
    async (_, wasVerbatim) => {
      const { settings, url, worker } = await scene(async ({ job, end }) => {
        if (jobs.push(job.id) > 1) await end({ kind: 'succeeded', content: 'x', body: ANSWER })
      })
      const jobs: string[] = []
      const ANSWER = '{"choices":[{"message":{"content":"x"}}]}'
      const other = await startOpenAiGateway(settings, { isVerbatim: false })
      const [first, second] = wasVerbatim ? [url, other.url] : [other.url, url]
      const timed = await ask(first, CHAT, hello(), { headers: { 'x-stainless-timeout': '0.3' } })
      expect(timed.status).toBe(504)
      for (const stream of [false, true]) {
        const again = await ask(second, CHAT, hello(stream ? { stream } : {}))
        expect(again.status).toBe(200)
        expect(again.headers.get('idempotent-replayed')).toBeNull()
        expect(again.headers.get('x-job-id')).not.toBe(timed.headers.get('x-job-id'))
      }
      expect(jobs).toHaveLength(3)
      expect(await worker.redis.keys(`${settings.REDIS_PREFIX}:@unanswered:*`)).toEqual([])
    },
  )

  test('finds its job for 60 s', async () => {
    const { settings, url, worker } = await scene(async () => {})
    await ask(url, CHAT, hello(), { headers: { 'x-stainless-timeout': '0.2' } })
    const [key = ''] = await worker.redis.keys(`${settings.REDIS_PREFIX}:@unanswered:*`)
    const life = await worker.redis.pTTL(key)
    expect(life).toBeGreaterThan(30_000)
    expect(life).toBeLessThanOrEqual(60_000)
  })
})

describe('a chat through a worker of text', () => {
  test('is answered and streamed, and its message is that of protollm_api', async () => {
    const settings = freshSettings()
    const { tasks } = await startPlainWorker(settings, ({ content }) => `you said ${content}`)
    const { url } = await startOpenAiGateway(settings)
    const plain = await ask(url, CHAT, hello({ model: 'text' }))
    expect(JSON.parse(plain.text)).toMatchObject({
      choices: [{ message: { content: 'you said Hello' }, finish_reason: 'stop' }],
    })
    const stream = dataOf((await ask(url, CHAT, hello({ model: 'text', stream: true }))).text)
    expect(stream.join('')).toContain('"content":"you said Hello"')
    expect(stream.at(-1)).toBe('[DONE]')
    expect(tasks.map(({ content }) => content)).toEqual(['Hello', 'Hello'])
  })
})

describe('large bodies', () => {
  test('an image of 8 MB reaches the engine, and one above the limit is a 413', async () => {
    const { url, worker } = await scene((job) => job.end({ kind: 'succeeded', content: 'x' }))
    const image = 'A'.repeat(8_000_000)
    const parts = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } }]
    const messages = [{ role: 'user', content: parts }]
    expect((await ask(url, CHAT, hello({ messages }))).status).toBe(200)
    expect(worker.jobs[0]?.body).toContain(image)
    const { status, text } = await ask(url, CHAT, hello({ user: 'A'.repeat(13_000_000) }))
    expect(status).toBe(413)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'body_too_large', param: null } })
  })

  test('2,048 embeddings of 30 MB reach the client in the format it asked for', async () => {
    const one = `[${Array.from({ length: 1_536 }, (_, at) => (at / 1_024 - 1).toFixed(5)).join(', ')}]`
    const items = Array.from({ length: 2_048 }, (_, at) => `{"index":${at},"embedding":${one}}`)
    const body = `{"object":"list","data":[${items.join(',')}],"usage":{"total_tokens":1}}`
    expect(body.length).toBeGreaterThan(30_000_000)
    const { url } = await scene((job) => job.end({ kind: 'succeeded', content: '', body }), {
      TIMEOUT: '25',
    })
    const input = Array.from({ length: 2_048 }, (_, at) => `text ${at}`)
    const asked = { model: 'whole', input }
    const floats = await ask(url, '/v1/embeddings', asked)
    expect([floats.status, floats.text.includes(one)]).toEqual([200, true])
    const { text } = await ask(url, '/v1/embeddings', { ...asked, encoding_format: 'base64' })
    const { data } = JSON.parse(text) as { data: { embedding: string; index: number }[] }
    expect(data).toHaveLength(2_048)
    const bytes = Buffer.from(data[2_047]?.embedding ?? '', 'base64')
    const numbers = new Float32Array(new Uint8Array(bytes).buffer)
    expect([...numbers]).toEqual((JSON.parse(one) as number[]).map(Math.fround))
  })
})

import { describe, expect, test } from 'vitest'
import { CHAT, hello, modelsOf, openAiApp } from '../../../support/openai.ts'

const text = (more: object = {}) => hello({ model: 'text', ...more })

describe('the job of a request', () => {
  test('carries the body as it was sent, but for what the gateway owns', async () => {
    const { post, job } = openAiApp()
    const body =
      '{"model": "whole", "seed": 9007199254740993, "top_p":1.0,"x":[-0,1e400], "__proto__":{"a":1},' +
      '"twice":1,"twice":2,"stream":false,"stream_options":{"include_usage":false},' +
      '"messages":[{"role":"user","content":"Hello"}]}'
    expect((await post(CHAT, body)).status).toBe(200)
    expect(job().request).toEqual({
      endpoint: CHAT,
      body:
        '{"seed": 9007199254740993,"top_p":1.0,"x":[-0,1e400],"__proto__":{"a":1},"twice":1,' +
        '"twice":2,"messages":[{"role":"user","content":"Hello"}],"model":"whole-at-worker","stream":false}',
    })
  })

  test('has messages and meta for workers that take only text, and leaves open what the client does', async () => {
    const { post, job } = openAiApp()
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', content: null },
    ]
    const asked = { messages, max_completion_tokens: 5, temperature: 0.5, stop: 'x' }
    await post(CHAT, text(asked))
    const { id, ...rest } = job()
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(rest).toEqual({
      owner: '',
      queue: 'q',
      priority: null,
      source: 'local',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'ab' },
        { role: 'assistant', content: '' },
      ],
      meta: { temperature: 0.5, tokensLimit: 5, stopWords: ['x'], model: 'text-at-worker' },
    })
    const open = openAiApp()
    await open.post(CHAT, hello())
    const { meta, messages: theirs } = open.job()
    expect(meta).toEqual({
      temperature: undefined,
      tokensLimit: undefined,
      stopWords: null,
      model: 'whole-at-worker',
    })
    expect(theirs).toEqual([{ role: 'user', content: 'Hello' }])
  })

  test('of one prompt is a chat of one message; of embeddings it has none', async () => {
    const { post, job } = openAiApp()
    await post('/v1/completions', { model: 'text', prompt: ['Once'] })
    expect(job().messages).toEqual([{ role: 'user', content: 'Once' }])
    const other = openAiApp()
    await other.post('/v1/embeddings', { model: 'whole', input: 'x', stream: true })
    expect(other.job().messages).toEqual([])
    expect(other.job().request?.body).toBe('{"input":"x","model":"whole-at-worker"}')
  })

  test('does not hold a long text twice', async () => {
    const { post, job } = openAiApp(undefined, { maxBodyBytes: 2_000_000 })
    const content = 'x'.repeat(600_000)
    await post(CHAT, hello({ messages: [{ role: 'user', content }] }))
    expect(job().messages).toEqual([])
    expect(job().request?.body).toContain(content)
  })

  test('is nested as deep and wide as the client likes', async () => {
    const { post, job } = openAiApp(undefined, { maxBodyBytes: 2_000_000 })
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const body = `{"model":"whole","messages":[],"deep":${deep},"wide":[${'0,'.repeat(3_000)}0]}`
    expect((await post(CHAT, body)).status).toBe(200)
    expect(job().request?.body).toContain(deep)
  })

  test('has the id of an Idempotency-Key, and its client may come back by it', async () => {
    const { post, run } = openAiApp()
    await post(CHAT, hello(), { 'idempotency-key': 'order 7' })
    await post(CHAT, hello())
    const [[first, options] = [], [second, others] = []] = run.mock.calls
    expect(first?.id).toMatch(/^key-/)
    expect(options?.mayReturn).toBe(true)
    expect(second?.id).not.toMatch(/^key-/)
    expect(others?.mayReturn).toBe(false)
    const { status, json } = await post(CHAT, hello(), { 'idempotency-key': '' })
    expect([status, json.error.param]).toEqual([400, 'Idempotency-Key'])
  })

  test.each([
    ['flex', 9, 0, 'flex'],
    ['priority', 9, 9, 'priority'],
    ['auto', 9, null, 'default'],
    ['default', 9, null, 'default'],
    ['flex', undefined, null, 'default'],
    [undefined, 9, null, undefined],
  ])('of service_tier %s where the highest priority is %s has priority %s', async (...row) => {
    const [asked, max, priority, told] = row
    const { post, job } = openAiApp(undefined, { maxPriorityOf: () => max })
    const { json } = await post(CHAT, text({ service_tier: asked }))
    expect(job().priority).toBe(priority)
    expect(json.service_tier).toBe(told)
  })

  test.each([
    ['x-stainless-timeout', '0.5', 375],
    ['x-stainless-read-timeout', '0.5', 375],
    // A client on a busy machine has begun to count long before its request is here.
    ['x-stainless-timeout', '2', 1_500],
    ['x-stainless-timeout', '8', 7_500],
    ['x-stainless-timeout', '60', 57_000],
    ['x-stainless-timeout', '600', 300_000],
    ['x-stainless-timeout', '0', 300_000],
    ['x-stainless-timeout', 'soon', 300_000],
  ])('is waited for no longer than %s: %s allows', async (name, value, waitMs) => {
    const { post, run } = openAiApp(undefined, { timeoutMs: 300_000 })
    await post(CHAT, hello(), { [name]: value })
    expect(run.mock.calls[0]?.[1]?.waitMs).toBe(waitMs)
  })
})

describe('the model of a request', () => {
  test('that is unknown is a 404, and one of another type a 400', async () => {
    const { post } = openAiApp()
    const unknown = await post(CHAT, hello({ model: 'nope' }))
    expect(unknown.status).toBe(404)
    expect(unknown.json).toEqual({
      error: {
        message: "the model 'nope' does not exist",
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
      },
    })
    for (const model of [5, {}, []]) {
      const { status, json } = await post(CHAT, hello({ model }))
      expect([status, json.error.param]).toEqual([400, 'model'])
    }
  })

  test('may be missing where there is only one, and the answer names that', async () => {
    const models = modelsOf({ only: {} })
    for (const model of [undefined, null, '']) {
      const { post, job } = openAiApp(undefined, { models })
      const { json } = await post(CHAT, hello({ model }))
      expect(json.model).toBe('only')
      expect(job().meta.model).toBe('only-at-worker')
    }
    const { status, json } = await openAiApp().post(CHAT, hello({ model: undefined }))
    expect([status, json.error.param]).toEqual([400, 'model'])
    const none = await openAiApp(undefined, { models: modelsOf({}) }).post(CHAT, { messages: [] })
    expect(none.status).toBe(400)
  })

  test('is listed, and found by a name with a slash, encoded or not', async () => {
    const { app } = openAiApp(undefined, { models: modelsOf({ 'org/m': {}, plain: {} }) })
    const one = { object: 'model', created: 1_790_000_000, owned_by: 'us', served: true }
    const list = await app.request('/v1/models')
    expect(await list.json()).toEqual({
      object: 'list',
      data: [
        { id: 'org/m', ...one },
        { id: 'plain', ...one },
      ],
    })
    for (const path of ['org/m', 'org%2Fm']) {
      expect(await (await app.request(`/v1/models/${path}`)).json()).toEqual({
        id: 'org/m',
        ...one,
      })
    }
    const missing = await app.request('/v1/models/nope')
    expect(missing.status).toBe(404)
    expect(await missing.json()).toMatchObject({ error: { code: 'model_not_found' } })
    expect((await app.request('/v1/models/org/m', { method: 'POST' })).status).toBe(405)
  })
})

describe('a worker that takes only text', () => {
  const image = { type: 'image_url', image_url: { url: 'data:' } }
  const refused: [param: string, path: string, body: object][] = [
    ['tools', CHAT, text({ tools: [{}] })],
    ['tools', CHAT, text({ tools: [{}], tool_choice: 'auto' })],
    ['functions', CHAT, text({ functions: [{}] })],
    ['response_format', CHAT, text({ response_format: { type: 'json_object' } })],
    ['response_format', CHAT, text({ response_format: { type: 'json_schema' } })],
    ['n', CHAT, text({ n: 2 })],
    ['logprobs', CHAT, text({ logprobs: true })],
    ['audio', CHAT, text({ audio: { voice: 'x' } })],
    ['modalities', CHAT, text({ modalities: ['text', 'audio'] })],
    ['messages[0].content[0]', CHAT, text({ messages: [{ role: 'user', content: [image] }] })],
    ['messages[0].content', CHAT, text({ messages: [{ role: 'user', content: 5 }] })],
    ['messages[0]', CHAT, text({ messages: ['x'] })],
    ['messages', CHAT, text({ messages: [] })],
    ['messages', CHAT, text({ messages: undefined })],
    ['prompt', '/v1/completions', { model: 'text', prompt: ['a', 'b'] }],
    ['prompt', '/v1/completions', { model: 'text', prompt: [1, 2] }],
    ['echo', '/v1/completions', { model: 'text', prompt: 'a', echo: true }],
    ['suffix', '/v1/completions', { model: 'text', prompt: 'a', suffix: 'b' }],
    ['logprobs', '/v1/completions', { model: 'text', prompt: 'a', logprobs: 1 }],
    ['model', '/v1/embeddings', { model: 'text', input: 'a' }],
  ]
  test.each(refused)(
    'refuses %s on %s, and one of whole bodies does not',
    async (param, path, body) => {
      const { post, run } = openAiApp()
      const { status, json } = await post(path, body)
      expect([status, json.error.param]).toEqual([400, param])
      expect(run).not.toHaveBeenCalled()
      const whole = openAiApp(async () => {
        throw new Error('it was asked')
      })
      expect((await whole.post(path, { ...body, model: 'whole' })).status).toBe(500)
    },
  )

  test('is any worker of a kind that carries no bodies', async () => {
    const { post } = openAiApp(undefined, { carriesBodies: false })
    expect((await post(CHAT, hello({ tools: [{}] }))).status).toBe(400)
  })

  test('takes what asks for nothing, and names nothing', async () => {
    const { post } = openAiApp()
    const nothing = {
      tools: [],
      tool_choice: 'none',
      n: 1,
      logprobs: false,
      response_format: { type: 'text' },
      modalities: ['text'],
      logit_bias: {},
      audio: null,
      store: false,
      top_p: 1,
      stream_options: { include_usage: true },
      max_tokens: 5,
    }
    const { status, headers } = await post(CHAT, text(nothing))
    expect(status).toBe(200)
    expect(headers.get('x-ignored-parameters')).toBeNull()
  })

  test('takes all else, and the answer names what had no effect', async () => {
    const { post } = openAiApp()
    const body = text({
      seed: 1,
      temperature: 'hot',
      'späße\n': 1,
      tools: [{}],
      tool_choice: 'none',
      messages: [{ role: 'user', content: 'x', name: 'n', refusal: null, messageId: 7 }],
    })
    const { status, headers } = await post(CHAT, body)
    expect(status).toBe(200)
    expect(headers.get('x-ignored-parameters')).toBe(
      'seed, temperature, sp%C3%A4%C3%9Fe%0A, tools, messages[].name, messages[].messageId',
    )
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`f${index}`, 1]))
    const { headers: more } = await post(CHAT, text(many))
    expect(more.get('x-ignored-parameters')?.split(', ')).toHaveLength(21)
  })
})

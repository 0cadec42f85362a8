import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../../src/errors.ts'
import { answerOf } from '../../../support/app.ts'
import { CHAT, hello, openAiApp, succeeded } from '../../../support/openai.ts'
import type { Outcome } from '../../../../src/job.ts'

const created = expect.any(Number) as number

describe('the answer of a worker of text', () => {
  const outcome = {
    content: 'fine',
    finishReason: 'length',
    usage: { promptTokens: 2, completionTokens: 3 },
  }
  const usage = { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 }

  test('is built from its text, also where it was asked for with a whole body', async () => {
    for (const model of ['text', 'whole']) {
      const { post, job } = openAiApp(async () => succeeded(outcome))
      const { json, headers } = await post(CHAT, hello({ model }))
      expect(json).toEqual({
        id: `chatcmpl-${job().id}`,
        object: 'chat.completion',
        created,
        model,
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'fine', refusal: null },
            logprobs: null,
            finish_reason: 'length',
          },
        ],
        usage,
      })
      expect(headers.get('x-job-id')).toBe(job().id)
      expect(headers.get('server-timing')).toContain('total;dur=')
    }
  })

  test('has no usage where the worker tells none', async () => {
    const { json } = await openAiApp(async () => succeeded({ content: 'x' })).post(CHAT, hello())
    expect(json).not.toHaveProperty('usage')
    expect(json.choices).toMatchObject([{ finish_reason: 'stop' }])
  })

  test('of completions is a text', async () => {
    const { post, job } = openAiApp(async () => succeeded(outcome))
    const { json } = await post('/v1/completions', { model: 'text', prompt: 'Hello' })
    expect(json).toEqual({
      id: `cmpl-${job().id}`,
      object: 'text_completion',
      created,
      model: 'text',
      choices: [{ index: 0, text: 'fine', logprobs: null, finish_reason: 'length' }],
      usage,
    })
  })
})

describe('the answer of an engine', () => {
  test('has another id, time and model, and all else as its source text', async () => {
    const body =
      '{"id":"theirs", "object":"chat.completion","created":1.0,"model":"path/to/it",' +
      '"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}}],' +
      '"usage":{"prompt_tokens":9007199254740993},"more":{"__proto__":-0,"a":1e400,"a":1.0}}'
    const { post, job } = openAiApp(async () => succeeded({ body }))
    const { text } = await post(CHAT, hello())
    expect(text.replace(/"created":\d+/, '"created":1')).toBe(
      '{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}}],' +
        '"usage":{"prompt_tokens":9007199254740993},"more":{"__proto__":-0,"a":1e400,"a":1.0},' +
        `"id":"chatcmpl-${job().id}","object":"chat.completion","created":1,"model":"whole"}`,
    )
  })

  test.each([
    ['{"reasoning":"r"}', { reasoning: 'r', reasoning_content: 'r' }],
    ['{"reasoning_content":null}', { reasoning: null, reasoning_content: null }],
    ['{"r\\u0065asoning":"r"}', { reasoning: 'r', reasoning_content: 'r' }],
    ['{"reasoning":"a","reasoning_content":"b"}', { reasoning: 'a', reasoning_content: 'b' }],
    ['{"content":"reasoning"}', { content: 'reasoning' }],
    ['null', null],
  ])('with the message %s has both names of the reasoning', async (message, expected) => {
    const body = `{"choices":[{"message":${message}}]}`
    const { json } = await openAiApp(async () => succeeded({ body })).post(CHAT, hello())
    expect(json.choices).toEqual([{ message: expected }])
  })
})

describe('embeddings', () => {
  const floats = [0.5, -1.25, 3]
  const base64 = Buffer.from(new Float32Array(floats).buffer).toString('base64')
  const bodyWith = (embedding: string) =>
    `{"object":"list","data":[{"object":"embedding","index":0,"embedding":${embedding}}],"model":"m","usage":{"total_tokens":1.0}}`
  const source = '[0.5, -1.250, 3e0]'

  test.each([
    ['float', source, source],
    [undefined, source, source],
    ['float', `"${base64}"`, JSON.stringify(floats)],
    [undefined, `"${base64}"`, JSON.stringify(floats)],
    ['base64', source, `"${base64}"`],
    ['base64', `"${base64}"`, `"${base64}"`],
  ])('in encoding_format %s of %s are %s', async (encoding_format, given, expected) => {
    const { post } = openAiApp(async () => succeeded({ body: bodyWith(given) }))
    const { text, json } = await post('/v1/embeddings', {
      model: 'whole',
      input: 'x',
      encoding_format,
    })
    expect(text).toContain(`"embedding":${expected}`)
    expect(text).toContain('"usage":{"total_tokens":1.0}')
    expect(json).toMatchObject({ model: 'whole', object: 'list' })
    expect(json).not.toHaveProperty('id')
  })

  test('cannot be made of text', async () => {
    const { post } = openAiApp(async () => succeeded({ content: 'x' }))
    const { status, json } = await post('/v1/embeddings', { model: 'whole', input: 'x' })
    expect([status, json.error.code]).toEqual([502, 'bad_result'])
  })
})

describe('an error under /v1', () => {
  const keys = ['message', 'type', 'param', 'code']

  test.each([
    ['/v1', 'GET', 'x', 404, 'not_found'],
    ['/v1/nowhere', 'POST', 'x', 404, 'not_found'],
    [CHAT, 'GET', undefined, 405, 'method_not_allowed'],
    [CHAT, 'POST', '{', 400, 'bad_request'],
    [CHAT, 'POST', '[]', 400, 'invalid_value'],
    [CHAT, 'POST', 'null', 400, 'invalid_value'],
    [CHAT, 'POST', '{"model":"whole","stream":"yes"}', 400, 'invalid_value'],
    [CHAT, 'POST', 'x'.repeat(101), 413, 'body_too_large'],
  ])('of %s %s %s is a %s %s', async (path, method, body, status, code) => {
    const { app } = openAiApp(undefined, { maxBodyBytes: 100 })
    const sent = method === 'POST' && body !== undefined ? { body } : {}
    const headers = { 'content-type': 'application/json' }
    const reply = await app.request(path, { method, headers, ...sent })
    expect(reply.status).toBe(status)
    const { error } = (await reply.json()) as { error: Record<string, unknown> }
    expect(Object.keys(error)).toEqual(keys)
    expect(error.code).toBe(code)
  })

  test('of a path one of whose items has a method names that', async () => {
    const { app } = openAiApp()
    const reply = await app.request('/v1/models', { method: 'POST' })
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('of the content type is a 415', async () => {
    const { post } = openAiApp()
    const { status, json } = await post(CHAT, hello(), { 'content-type': 'text/plain' })
    expect(status).toBe(415)
    expect(Object.keys(json.error)).toEqual(keys)
  })

  const failed = (more: object): Outcome => ({
    kind: 'failed',
    type: 'BadRequestError',
    message: 'no such tool',
    ...more,
  })
  test('of the engine keeps its status, type, code and param', async () => {
    const outcome = failed({ status: 400, code: 'bad_tool', param: 'tools' })
    const { status, json } = await openAiApp(async () => answerOf(outcome)).post(CHAT, hello())
    expect(status).toBe(400)
    expect(json.error).toEqual({
      message: 'no such tool',
      type: 'BadRequestError',
      param: 'tools',
      code: 'bad_tool',
    })
  })

  test.each([
    [failed({}), 502, null, null],
    [failed({ status: 401 }), 502, null, null],
    [failed({ status: 429 }), 429, null, '1'],
    [failed({ status: 503 }), 503, null, '1'],
    [failed({ status: 504 }), 504, 'false', null],
    [{ kind: 'cancelled' } as const, 409, 'false', null],
    [{ kind: 'expired' } as const, 504, 'false', null],
  ])('of the outcome %j is a %i', async (outcome, status, shouldRetry, retryAfter) => {
    const { post, job } = openAiApp(async () => answerOf(outcome))
    const reply = await post(CHAT, hello())
    expect(reply.status).toBe(status)
    expect(reply.headers.get('x-should-retry')).toBe(shouldRetry)
    expect(reply.headers.get('retry-after')).toBe(retryAfter)
    expect(reply.headers.get('x-job-id')).toBe(job().id)
    expect(Object.keys(reply.json.error)).toEqual(keys)
  })

  test('of the time is a 504 that names the job, and is not to be sent again', async () => {
    const { post, job } = openAiApp(async () => {
      throw new GatewayError('timed_out', 'no outcome after 1 s')
    })
    const { status, json, headers } = await post(CHAT, hello())
    expect(status).toBe(504)
    expect(json.error.message).toContain(`GET /jobs/${job().id}`)
    expect(headers.get('x-should-retry')).toBe('false')
  })

  test('of a gateway that takes nothing now may be sent again', async () => {
    const { post } = openAiApp(async () => {
      throw new GatewayError('overloaded', 'too many')
    })
    const { status, headers } = await post(CHAT, hello())
    expect([status, headers.get('retry-after')]).toEqual([503, '1'])
    expect(headers.get('x-should-retry')).toBeNull()
  })

  test('of a key that was used for another payload is a 422', async () => {
    const { post } = openAiApp(async () => {
      throw new GatewayError('job_conflict', 'it runs')
    })
    const { status, json } = await post(CHAT, hello(), { 'idempotency-key': 'k' })
    expect([status, json.error.code]).toEqual([422, 'idempotency_conflict'])
  })
})

describe('a request that comes again after a 504', () => {
  /** Forgets and remembers as Redis does, without the time. */
  function memory() {
    const jobs = new Map<string, string>()
    return {
      jobs,
      put: async (name: string, id: string) => void jobs.set(name, id),
      take: async (name: string) => {
        const id = jobs.get(name)
        jobs.delete(name)
        return id
      },
    }
  }
  const timesOutOnce = () => {
    let calls = 0
    return async () => {
      calls += 1
      if (calls === 1) throw new GatewayError('timed_out', 'no outcome')
      return succeeded({ content: 'late' })
    }
  }

  test('joins the job once, and says so', async () => {
    const unanswered = memory()
    const { post, run } = openAiApp(timesOutOnce(), { unanswered })
    await post(CHAT, hello())
    expect(unanswered.jobs.size).toBe(1)
    const second = await post(CHAT, hello())
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    const third = await post(CHAT, hello())
    expect(third.headers.get('idempotent-replayed')).toBeNull()
    const [first, again, other] = run.mock.calls.map(([job]) => job)
    expect(again).toEqual(first)
    expect(other?.id).not.toBe(first?.id)
    expect(unanswered.jobs.size).toBe(0)
  })

  test('joins no job of another body or endpoint, and none where the first was refused', async () => {
    const { post, run } = openAiApp(timesOutOnce(), { unanswered: memory() })
    await post(CHAT, hello())
    await post(CHAT, hello({ seed: 1 }))
    await post('/v1/completions', hello())
    const ids = run.mock.calls.map(([{ id }]) => id)
    expect(new Set(ids).size).toBe(3)
    const unanswered = memory()
    const refusing = openAiApp(
      async () => {
        throw new GatewayError('queue_full', 'full')
      },
      { unanswered },
    )
    await refusing.post(CHAT, hello())
    expect(unanswered.jobs.size).toBe(0)
  })

  test('is found by its Idempotency-Key alone, where it has one', async () => {
    const unanswered = memory()
    const { post } = openAiApp(timesOutOnce(), { unanswered })
    await post(CHAT, hello(), { 'idempotency-key': 'k' })
    expect(unanswered.jobs.size).toBe(0)
  })
})

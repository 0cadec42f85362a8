import { describe, expect, test, vi } from 'vitest'
import { answerOf, appWith, valid } from '../../support/app.ts'
import { listen } from '../../support/listen.ts'
import type { JobEvent } from '../../../src/job.ts'

describe('POST /generate', () => {
  test('is a chat of one message, and says what the client left open', async () => {
    const { post, run } = appWith()
    const { status, json, headers } = await post('/generate', valid)
    expect({ status, json }).toEqual({ status: 200, json: { content: 'fine' } })
    expect(headers.get('content-type')).toBe('application/json')
    expect(headers.get('server-timing')).toBe('arm;dur=0.50, total;dur=2.00')
    expect(run.mock.calls[0]?.[0]).toStrictEqual({
      id: 'j',
      owner: '',
      queue: 'q',
      messages: [{ role: 'user', content: 'x' }],
      meta: { temperature: undefined, tokensLimit: undefined, stopWords: null, model: null },
      priority: null,
      source: 'local',
    })
  })

  test('null is kept where protollm_api takes null', async () => {
    const { post, run } = appWith()
    const meta = { temperature: null, tokens_limit: null, stop_words: null, model: null }
    await post('/generate', { ...valid, meta, priority: null })
    expect(run.mock.calls[0]?.[0].meta).toEqual({
      temperature: null,
      tokensLimit: null,
      stopWords: null,
      model: null,
    })
  })

  test('a field __proto__ reaches nothing', async () => {
    const { post, run } = appWith()
    const body = '{"job_id":"j","meta":{"__proto__":{"x":1}},"content":"x","__proto__":{}}'
    const { status, headers } = await post('/generate', body)
    expect({ status, ignored: headers.get('x-ignored-parameters') }).toEqual({
      status: 200,
      ignored: 'meta.__proto__, __proto__',
    })
    expect(Object.keys(run.mock.calls[0]?.[0].meta ?? {})).toHaveLength(4)
    expect(({} as { x?: number }).x).toBeUndefined()
  })

  test.each(['True', 'TRUE', 'true', '1', 'on', 'yes', 'YES', 't', 'y'])(
    '?stream=%s answers with events',
    async (text) => {
      const events = vi.fn<() => AsyncGenerator<readonly JobEvent[]>>(async function* () {
        yield [{ kind: 'delta', id: '1-1', text: 'fine' }]
      })
      const url = await listen(appWith(undefined, 1_000, { stream: events }).app)
      const reply = await fetch(`${url}/generate?stream=${text}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(valid),
      })
      expect(reply.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
      expect(await reply.text()).toContain('data: {"text":"fine"}')
      expect(events).toHaveBeenCalledTimes(1)
    },
  )

  test.each(['False', 'false', '0', 'OFF', 'no', 'f', 'N'])(
    '?stream=%s waits for the outcome',
    async (text) => {
      const { status, json } = await appWith().post(`/generate?stream=${text}`, valid)
      expect({ status, json }).toEqual({ status: 200, json: { content: 'fine' } })
    },
  )

  test.each(['', 'truey', '2', 'null', ' true', 'ja'])(
    '?stream=%s is a 422 in the words of pydantic',
    async (input) => {
      const { post, run } = appWith()
      const reply = await post(`/generate?stream=${encodeURIComponent(input)}`, valid)
      expect(reply.json.detail).toEqual([
        {
          type: 'bool_parsing',
          loc: ['query', 'stream'],
          msg: 'Input should be a valid boolean, unable to interpret input',
          input,
        },
      ])
      expect({ status: reply.status, asked: run.mock.calls.length }).toEqual({
        status: 422,
        asked: 0,
      })
    },
  )

  test.each([
    [{ kind: 'failed', type: 'E', message: 'm' }, 502, 'worker_failed'],
    [{ kind: 'cancelled' }, 409, 'job_cancelled'],
    [{ kind: 'expired' }, 504, 'job_expired'],
  ] as const)('the outcome %j is no 200', async (outcome, status, code) => {
    const { post } = appWith(async () => answerOf(outcome))
    expect((await post('/generate', valid)).json).toMatchObject({ status, code, job_id: 'j' })
  })
})

describe('a bad request', () => {
  const cases: [name: string, body: unknown, loc: (string | number)[], type: string][] = [
    ['no job_id', { meta: {}, content: 'x' }, ['body', 'job_id'], 'missing'],
    ['no meta', { job_id: 'j', content: 'x' }, ['body', 'meta'], 'missing'],
    ['no content', { job_id: 'j', meta: {} }, ['body', 'content'], 'missing'],
    ['a list', [], ['body'], 'model_attributes_type'],
    ['null', null, ['body'], 'model_attributes_type'],
    ['a text', '"x"', ['body'], 'model_attributes_type'],
    ['content a number', { ...valid, content: 1 }, ['body', 'content'], 'string_type'],
    ['content null', { ...valid, content: null }, ['body', 'content'], 'string_type'],
    ['meta a list', { ...valid, meta: [] }, ['body', 'meta'], 'model_attributes_type'],
    ['meta a text', { ...valid, meta: 'x' }, ['body', 'meta'], 'model_attributes_type'],
    ['id empty', { ...valid, job_id: '' }, ['body', 'job_id'], 'string_pattern_mismatch'],
    ['id .', { ...valid, job_id: '.' }, ['body', 'job_id'], 'string_pattern_mismatch'],
    ['id ..', { ...valid, job_id: '..' }, ['body', 'job_id'], 'string_pattern_mismatch'],
    ['id *', { ...valid, job_id: '*' }, ['body', 'job_id'], 'string_pattern_mismatch'],
    [
      'id with CR LF',
      { ...valid, job_id: 'a\r\nb' },
      ['body', 'job_id'],
      'string_pattern_mismatch',
    ],
    ['id with {}', { ...valid, job_id: '{a}' }, ['body', 'job_id'], 'string_pattern_mismatch'],
    ['id with ы', { ...valid, job_id: 'ы' }, ['body', 'job_id'], 'string_pattern_mismatch'],
    [
      'id ends in a newline',
      { ...valid, job_id: 'a\n' },
      ['body', 'job_id'],
      'string_pattern_mismatch',
    ],
    [
      'id of 129',
      { ...valid, job_id: 'a'.repeat(129) },
      ['body', 'job_id'],
      'string_pattern_mismatch',
    ],
    ['id a number', { ...valid, job_id: 12345 }, ['body', 'job_id'], 'string_type'],
    [
      'temperature a text',
      withMeta({ temperature: '1' }),
      ['body', 'meta', 'temperature'],
      'float_type',
    ],
    [
      'temperature 1e999',
      '{"job_id":"j","meta":{"temperature":1e999},"content":"x"}',
      ['body', 'meta', 'temperature'],
      'finite_number',
    ],
    [
      'tokens_limit 1.5',
      withMeta({ tokens_limit: 1.5 }),
      ['body', 'meta', 'tokens_limit'],
      'int_from_float',
    ],
    [
      'tokens_limit 1e99',
      withMeta({ tokens_limit: 1e99 }),
      ['body', 'meta', 'tokens_limit'],
      'less_than_equal',
    ],
    [
      'stop_words a text',
      withMeta({ stop_words: 'x' }),
      ['body', 'meta', 'stop_words'],
      'list_type',
    ],
    [
      'a stop word a number',
      withMeta({ stop_words: ['a', 1] }),
      ['body', 'meta', 'stop_words', 1],
      'string_type',
    ],
    ['model a number', withMeta({ model: 1 }), ['body', 'meta', 'model'], 'string_type'],
    ['priority 256', { ...valid, priority: 256 }, ['body', 'priority'], 'less_than_equal'],
    ['priority -1', { ...valid, priority: -1 }, ['body', 'priority'], 'greater_than_equal'],
    ['priority 1.5', { ...valid, priority: 1.5 }, ['body', 'priority'], 'int_from_float'],
    ['not JSON', '{"job_id":', ['body'], 'json_invalid'],
    ['nothing', '', ['body'], 'json_invalid'],
    ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`, ['body'], 'json_too_deep'],
  ]
  function withMeta(meta: object) {
    return { ...valid, meta }
  }

  test.each(cases)('%s is a 422 that names the place', async (_, body, loc, type) => {
    const { post, run } = appWith()
    const { status, json } = await post('/generate', body)
    expect(status).toBe(422)
    expect(json.detail).toMatchObject([{ loc, type, msg: expect.stringMatching(/\w/) }])
    expect(run).not.toHaveBeenCalled()
  })

  test('1,025 stop words are too many', async () => {
    const { post } = appWith(undefined, 1 << 20)
    const stop_words = Array.from({ length: 1025 }, () => 1)
    expect((await post('/generate', withMeta({ stop_words }))).json).toMatchObject({
      detail: [{ loc: ['body', 'meta', 'stop_words'], type: 'too_long', input: null }],
    })
  })

  test('all problems come at once, those of the query too', async () => {
    const { post } = appWith()
    const body = { job_id: 1, meta: { model: 2 }, messages: [{ role: 'user' }, 3] }
    const { json } = await post('/chat_completion?queue_name=secret', body)
    expect((json.detail as { loc: unknown }[]).map(({ loc }) => loc)).toEqual([
      ['body', 'job_id'],
      ['body', 'meta', 'model'],
      ['body', 'messages', 0, 'content'],
      ['body', 'messages', 1],
      ['query', 'queue_name'],
    ])
  })

  test('an empty conversation is refused', async () => {
    const { post } = appWith()
    const { json } = await post('/chat_completion', { job_id: 'j', meta: {}, messages: [] })
    expect(json.detail).toMatchObject([{ loc: ['body', 'messages'], type: 'too_short' }])
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
    'content type %j is a 415',
    async (type) => {
      const { post, run } = appWith()
      const { status, json } = await post('/generate', valid, { 'content-type': type })
      expect({ status, code: json.code }).toEqual({ status: 415, code: 'unsupported_media_type' })
      expect(run).not.toHaveBeenCalled()
    },
  )

  test.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/problem+json'])(
    'content type %j is taken',
    async (type) => {
      expect((await appWith().post('/generate', valid, { 'content-type': type })).status).toBe(200)
    },
  )

  test('a stated length over the limit is a 413 before anything is read', async () => {
    const { post, run } = appWith()
    const { json } = await post('/generate', valid, { 'content-length': '1001' })
    expect(json).toMatchObject({ status: 413, code: 'body_too_large' })
    expect(run).not.toHaveBeenCalled()
  })

  test('a body of no stated length is counted as it comes', async () => {
    const { post } = appWith()
    const long = { ...valid, content: 'x'.repeat(1_000) }
    expect((await post('/generate', long)).json).toMatchObject({ status: 413 })
  })
})

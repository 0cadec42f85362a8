import { describe, expect, test } from 'vitest'
import { C, D, HELLO, answerOf, ask, job, sends, upstream } from '../../support/upstream.ts'
import type { ServerResponse } from 'node:http'

const hello = { kind: 'succeeded', content: 'Hello' }

describe('an error in the middle of a stream keeps its message', () => {
  test.each([
    ['a string', ['data: {"error":"out of memory"}\n\n'], 'out of memory'],
    [
      'the field of llama.cpp',
      ['error: {"code":400,"message":"exceeds the size"}\n\n', D],
      'exceeds the size',
    ],
    ['without a frame', ['{"error":{"message":"exceeds the context"}}'], 'exceeds the context'],
    [
      'without a frame, on several lines',
      ['{\n  "error": {\n    "message": "exceeds"\n  }\n}\n'],
      'exceeds',
    ],
    ['a named event', ['event: error\ndata: {"message":"boom"}\n\n'], 'boom'],
    ['a named event with text', ['event: error\ndata: boom\n\n'], 'boom'],
    ['vLLM before 0.10', ['data: {"object":"error","message":"boom","code":400}\n\n', D], 'boom'],
    [
      'Anthropic’s form',
      ['data: {"type":"error","error":{"type":"x","message":"boom"}}\n\n'],
      'boom',
    ],
    [
      'OpenRouter’s form',
      [
        `data: {"error":{"code":502,"message":"boom"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}\n\n`,
      ],
      'boom',
    ],
    ['FastAPI’s form', ['data: {"detail":"boom"}\n\n', D], 'boom'],
    ['a message alone', ['data: {"message":"boom"}\n\n', D], 'boom'],
    ['an error in an error', ['data: {"error":{"error":{"message":"boom"}}}\n\n'], 'boom'],
    ['true and a message', ['data: {"error":true,"message":"boom"}\n\n'], 'boom'],
    ['a list', ['[{"error":{"message":"boom","code":429}}]\n'], 'boom'],
    ['no words', ['data: {"error":{"code":500}}\n\n'], '{"error":{"code":500}}'],
  ])('%s', async (_, pieces, message) => {
    for (const given of [[C('Hel'), ...pieces], pieces]) {
      expect(await answerOf(given)).toEqual({ kind: 'failed', type: 'upstream_error', message })
    }
  })
})

describe('an error by its status keeps its message', () => {
  test.each([
    ['{"error":{"message":"bad model"}}', 'bad model'],
    [`{"error":"model 'x' not found"}`, `model 'x' not found`],
    ['{"object":"error","message":"no such model"}', 'no such model'],
    ['{"detail":"Not Found"}', 'Not Found'],
    [
      '{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"too long"}]}',
      'field required; too long',
    ],
    ['{"message":"no Route matched"}', 'no Route matched'],
    ['{"errors":[{"message":"first"}]}', 'first'],
    ['[{"error":{"message":"of Google"}}]', 'of Google'],
    ['data: {"error":{"message":"as an event"}}\n\n', 'as an event'],
    ['{\n  "error": {\n    "message": "pretty"\n  }\n}', 'pretty'],
    ['oops', 'oops'],
    ['{"code":17}', '{"code":17}'],
    ['', ''],
  ])('%s', async (body, message) => {
    const { url } = await upstream((response) => void response.writeHead(400).end(body))
    expect((await ask(url)).outcome).toEqual({ kind: 'failed', type: 'upstream_400', message })
  })

  test('no more than 1,000 characters, of a body without an end', async () => {
    const { url } = await upstream((response) => {
      response.writeHead(500)
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 5)
      response.on('close', () => clearInterval(timer))
    })
    const message = 'x'.repeat(1_000)
    expect((await ask(url)).outcome).toEqual({ kind: 'failed', type: 'upstream_500', message })
  })
})

describe('a redirect', () => {
  test.each([301, 302, 303])('by %i is a failure that says so', async (status) => {
    const target = await upstream(sends(HELLO))
    const { url } = await upstream((response, request) => {
      response.writeHead(status, { location: target.url + request.url }).end()
    })
    expect((await ask(url)).outcome).toEqual({
      kind: 'failed',
      type: `upstream_${status}`,
      message: expect.stringMatching(/redirects .*http: address/) as string,
    })
    expect(target.requests).toEqual([])
  })

  test.each([307, 308])('by %i is followed, without the key to another origin', async (status) => {
    const target = await upstream(sends(HELLO))
    const { url } = await upstream((response, request) => {
      const isMoved = request.url.startsWith('/moved')
      const location = isMoved ? target.url : `/moved${request.url}`
      response.writeHead(status, { location }).end()
    })
    expect((await ask(url, { apiKey: 'key' })).outcome).toMatchObject(hello)
    const [request] = target.requests
    expect(request).toMatchObject({ method: 'POST', body: { messages: job.messages } })
    expect(request?.headers).not.toHaveProperty('authorization')
  })

  test('by 307 within the origin keeps the key', async () => {
    const { url, requests } = await upstream((response, request) => {
      if (request.url === '/there') response.end(HELLO.join(''))
      else response.writeHead(307, { location: '/there' }).end()
    })
    expect((await ask(url, { apiKey: 'key\n' })).outcome).toMatchObject(hello)
    expect(requests[1]?.headers.authorization).toBe('Bearer key')
  })

  test.each([
    ['in a circle', 307, '/v1/chat/completions'],
    ['to nowhere', 308, undefined],
    ['to another scheme', 307, 'ftp://h/x'],
    ['that is no address', 302, 'http://'],
    ['without a target', 300, undefined],
  ])('%s is a failure', async (_, status, location) => {
    const { url } = await upstream((response) => {
      response.writeHead(status, location === undefined ? {} : { location }).end()
    })
    expect((await ask(url)).outcome).toMatchObject({
      type: `upstream_${status}`,
      message: expect.stringContaining('redirects') as string,
    })
  })
})

describe('tries again while nothing of an answer has come', () => {
  const busy = (
    response: ServerResponse,
    status: number,
    headers: Record<string, string>,
  ): void => {
    response.writeHead(status, headers).end('{"error":{"message":"busy"}}')
  }

  test('a connection that the server closed meanwhile', async () => {
    const seen = new Set<unknown>()
    const { url, requests } = await upstream((response) => {
      const { socket } = response
      if (seen.has(socket)) return void socket?.destroy()
      seen.add(socket)
      response.end(HELLO.join(''))
    })
    for (let count = 0; count < 6; count += 1) expect((await ask(url)).outcome).toMatchObject(hello)
    expect(requests.length).toBeGreaterThan(6)
  })

  test.each([
    ['before the headers', () => {}],
    ['after the headers', (response: ServerResponse) => response.writeHead(200).flushHeaders()],
    [
      'after a heartbeat',
      (response: ServerResponse) => void response.writeHead(200).write(': hb\n\n'),
    ],
  ])('a connection reset %s', async (_, before) => {
    const { url, requests } = await upstream((response, __, count) => {
      if (count > 2) return void response.end(HELLO.join(''))
      before(response)
      setTimeout(() => response.socket?.resetAndDestroy(), 20)
    })
    expect((await ask(url)).outcome).toMatchObject(hello)
    expect(requests).toHaveLength(3)
  })

  test('not for ever', async () => {
    const { url, requests } = await upstream((response) => void response.socket?.destroy())
    expect((await ask(url)).outcome).toEqual({
      kind: 'failed',
      type: 'upstream_unreachable',
      message: 'no answer from the upstream (ECONNRESET)',
    })
    expect(requests).toHaveLength(4)
  })

  test.each([
    ['429 with seconds', 429, () => ({ 'retry-after': '1' })],
    ['503 with seconds', 503, () => ({ 'retry-after': '1' })],
    ['429 with a date', 429, () => ({ 'retry-after': new Date(Date.now() + 1_500).toUTCString() })],
    [
      'a date by the server’s own clock',
      503,
      () => ({
        date: 'Wed, 21 Oct 2015 07:28:00 GMT',
        'retry-after': 'Wed, 21 Oct 2015 07:28:01 GMT',
      }),
    ],
    ['milliseconds', 429, () => ({ 'retry-after-ms': '900' })],
    ['502 that says when', 502, () => ({ 'retry-after': '1' })],
  ] as const)('%s, as long as told', async (_, status, headers) => {
    const times: number[] = []
    const { url } = await upstream((response, __, count) => {
      times.push(performance.now())
      if (count === 1) busy(response, status, headers())
      else response.end(HELLO.join(''))
    })
    expect((await ask(url)).outcome).toMatchObject(hello)
    const [first = 0, second = 0] = times
    // A date has whole seconds.
    expect(second - first).toBeGreaterThan(490)
    expect(times).toHaveLength(2)
  })

  test.each([
    ['nothing', {}],
    ['0', { 'retry-after': '0' }],
    ['what cannot be read', { 'retry-after': 'soon' }],
    ['a negative number', { 'retry-after': '-5' }],
    ['a date that has passed', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }],
  ])('with pauses that grow where it says %s', async (_, headers: Record<string, string>) => {
    const { url, requests } = await upstream((response, __, count) => {
      if (count < 3) busy(response, 503, headers)
      else response.end(HELLO.join(''))
    })
    const began = performance.now()
    expect((await ask(url)).outcome).toMatchObject(hello)
    expect(performance.now() - began).toBeGreaterThan(740)
    expect(requests).toHaveLength(3)
  })

  test.each([
    ['longer than a day', { 'retry-after': '86400' }, 3_600_000],
    ['longer than the job lives', { 'retry-after': '30' }, 20_000],
    ['longer than a timer takes', { 'retry-after': '99999999999' }, 365 * 86_400_000],
  ])('but not where the wait is %s', async (_, headers, ttlMs) => {
    const { url, requests } = await upstream((response) => busy(response, 429, headers))
    const { outcome } = await ask(url, {}, undefined, { ...job, ttlMs })
    expect(outcome).toEqual({ kind: 'failed', type: 'upstream_429', message: 'busy' })
    expect(requests).toHaveLength(1)
  })

  test.each([400, 404, 413, 500, 501])('but not after %i', async (status) => {
    const { url, requests } = await upstream((response) => busy(response, status, {}))
    expect((await ask(url)).outcome).toMatchObject({ type: `upstream_${status}`, message: 'busy' })
    expect(requests).toHaveLength(1)
  })

  test.each([401, 403, 407])(
    'and %i is about the worker’s own key, which its text may quote',
    async (status) => {
      const { url, requests } = await upstream((response) => busy(response, status, {}))
      const { outcome } = await ask(url)
      expect(outcome).toMatchObject({
        type: `upstream_${status}`,
        message: `the upstream refuses the login of the worker (status ${status})`,
      })
      expect(requests).toHaveLength(1)
    },
  )

  test('a busy server that does not say when, as long as a setting has patience', async () => {
    const { url, requests } = await upstream((response) => busy(response, 503, {}))
    const { outcome } = await ask(url, { patienceMs: 400 })
    expect(outcome).toMatchObject({ type: 'upstream_503', message: 'busy' })
    expect(requests).toHaveLength(2)
  })
})

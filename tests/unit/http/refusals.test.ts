import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PROBE_AFTER_MS } from '../../../src/http/listener.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { Lines } from '../../../dev/lines.ts'
import { RawClient } from '../../security/support/raw.ts'
import { answerOf, appWith, valid } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { closedGate } from '../../support/gate.ts'
import { listen } from '../../support/listen.ts'

const BODY = JSON.stringify(valid)
const JSON_TYPE = 'Content-Type: application/json\r\n'
const GENERATE = `${JSON_TYPE}Content-Length: ${BODY.length}\r\n\r\n${BODY}`

/** The app on a socket, with a log and metrics that see what no route does. */
async function scene(run?: Parameters<typeof appWith>[0]) {
  const lines = new Lines()
  const metrics = createMetrics()
  const log = createLog('debug', lines)
  const { app } = appWith(run, 1_000, {}, { log, metrics })
  const url = await listen(app, { log, metrics })
  const send = (bytes: string): RawClient => {
    const client = new RawClient(url)
    client.send(bytes)
    return client
  }
  const answered = async (client: RawClient, count = 1) => {
    await eventually('an answer', () => client.answers.length >= count || client.isClosed)
    return client.answers
  }
  const counted = async (): Promise<number> => {
    const { values } = await metrics.httpRequests.get()
    return values.reduce((sum, { value }) => sum + value, 0)
  }
  return { url, send, answered, counted, lines }
}

const HELLO = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'
const headed = (lines: string): string => `GET /livez HTTP/1.1\r\n${lines}\r\n`

describe('a request that no route sees', () => {
  const cases: [name: string, bytes: string, status: number, code: string, method?: string][] = [
    ['no Host', headed(''), 400, 'bad_request', 'GET'],
    ['an empty Host', headed('Host:\r\n'), 400, 'bad_request', 'GET'],
    ['an empty Host behind a blank', headed('Host: \r\n'), 400, 'bad_request', 'GET'],
    ['two Hosts', headed('Host: a\r\nhost: b\r\n'), 400, 'bad_request', 'GET'],
    ['two Hosts that agree', headed('Host: a\r\nHost: a\r\n'), 400, 'bad_request', 'GET'],
    [
      'two Hosts in HTTP/1.0',
      'GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n',
      400,
      'bad_request',
      'GET',
    ],
    ['a Host that is none', headed('Host: a/b?c@d\r\n'), 400, 'bad_request', 'GET'],
    ['no path', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad_request', 'OPTIONS'],
    ['another scheme', 'GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad_request', 'GET'],
    ['a backslash', 'GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad_request', 'GET'],
    [
      'chunks in HTTP/1.0',
      'POST /generate HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'bad_request',
      'POST',
    ],
    ['an expectation', headed('Host: x\r\nExpect: banana\r\n'), 417, 'expectation_failed', 'GET'],
    ['no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
    ['the beginning of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc', 400, 'bad_request'],
    ['no such version', 'GET / HTTP/1.9\r\nHost: x\r\n\r\n', 400, 'bad_request'],
    ['a huge head', headed(`Host: x\r\nX: ${'x'.repeat(20_000)}\r\n`), 431, 'head_too_large'],
  ]

  test.each(cases)(
    'is answered, logged, counted and cut off: %s',
    async (_, bytes, status, code, method = 'other') => {
      const { send, answered, counted, lines } = await scene()
      const client = send(bytes)
      const [answer, ...others] = await answered(client)
      expect(others).toEqual([])
      expect(answer?.status).toBe(status)
      expect(answer?.headers).toMatchObject({
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        connection: 'close',
      })
      const requestId = answer?.headers['x-request-id'] ?? ''
      expect(requestId).toMatch(/^[\da-f-]{36}$/)
      expect(JSON.parse(answer?.body ?? '')).toEqual({
        type: 'about:blank',
        title: expect.stringMatching(/\w/),
        status,
        detail: expect.stringMatching(/\w/),
        code,
        request_id: requestId,
      })
      await client.closed
      expect(lines.named('http.request')).toMatchObject([{ requestId, method, status, code }])
      expect(await counted()).toBe(1)
    },
  )

  test('has the request id that the client chose', async () => {
    const { send, answered } = await scene()
    const [answer] = await answered(send(headed('X-Request-Id: mine-1\r\n')))
    expect(answer?.headers['x-request-id']).toBe('mine-1')
  })

  test('costs the requests before it on the connection nothing', async () => {
    const gate = closedGate()
    const { send, answered, counted } = await scene(async () => {
      await gate.opened
      return answerOf({ kind: 'succeeded', content: 'fine' })
    })
    const client = send(`POST /generate HTTP/1.1\r\nHost: x\r\n${GENERATE}no HTTP at all\r\n\r\n`)
    client.send('nor is this\r\n\r\n')
    gate.open()
    const answers = await answered(client, 2)
    expect(answers.map(({ status }) => status)).toEqual([200, 400])
    expect(answers[0]?.body).toBe('{"content":"fine"}')
    await client.closed
    expect(await counted()).toBe(2)
  })

  test('is not what a connection is that closes between two requests', async () => {
    const { send, answered, counted, lines } = await scene()
    const silent = send('')
    silent.socket.end()
    await silent.closed
    const client = send(HELLO)
    await answered(client)
    client.socket.end()
    await client.closed
    expect(await counted()).toBe(1)
    expect(lines.named('http.request')).toHaveLength(1)
  })

  test('is also a head that the client does not finish', async () => {
    const { send, answered, lines } = await scene()
    const client = send('GET /livez HTTP/1.1\r\nHos')
    client.socket.end()
    expect((await answered(client)).map(({ status }) => status)).toEqual([400])
    expect(lines.named('http.request')).toMatchObject([{ status: 400, code: 'bad_request' }])
  })
})

test('a body with a broken chunk is an error of its route, once', async () => {
  const { send, answered, counted, lines } = await scene()
  const head = `POST /generate HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-1\r\n${JSON_TYPE}`
  const client = send(`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)
  const answers = await answered(client)
  expect(answers.map(({ status, headers }) => [status, headers['x-request-id']])).toEqual([
    [400, 'r-1'],
  ])
  expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'bad_request' })
  await client.closed
  const line = { requestId: 'r-1', route: '/generate', status: 400, code: 'bad_request' }
  expect(lines.named('http.request')).toMatchObject([line])
  expect(await counted()).toBe(1)
})

describe('HTTP/1.0 without a Host', () => {
  test.each([
    ['GET /livez HTTP/1.0\r\n\r\n', 200],
    ['GET /livez HTTP/1.0\r\nHost:\r\n\r\n', 200],
    ['HEAD /livez HTTP/1.0\r\n\r\n', 200],
    ['GET /readyz HTTP/1.0\r\n\r\n', 503],
    ['OPTIONS / HTTP/1.0\r\n\r\n', 200],
    ['GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 200],
    [`POST /generate HTTP/1.0\r\n${GENERATE}`, 200],
  ])('is served: %j', async (bytes, status) => {
    const { send, url } = await scene()
    const client = send(bytes)
    if (!bytes.includes('keep-alive')) await client.closed
    await eventually('an answer', () => client.received.startsWith(`HTTP/1.1 ${status} `))
    expect(client.received).toContain('x-request-id')
    expect(url).toMatch(/^http/)
  })
})

/** The connections of this process to a port, as the kernel shows them: the timer that is set, and when it ends. */
function timersOf(port: number): { timer: string; afterMs: number }[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  return rows.flatMap((row) => {
    const [, local = '', , state, , timer = ''] = row.trim().split(/\s+/)
    if (!local.endsWith(`:${hex}`) || state !== '01') return []
    const [kind = '', jiffies = ''] = timer.split(':')
    return [{ timer: kind, afterMs: Number.parseInt(jiffies, 16) * 10 }]
  })
}

test('a held request has a keepalive timer below 350 s', async () => {
  const gate = closedGate()
  const { url, send, answered } = await scene(async () => {
    await gate.opened
    return answerOf({ kind: 'succeeded', content: 'fine' })
  })
  const client = send(`POST /generate HTTP/1.1\r\nHost: x\r\n${GENERATE}`)
  const timer = await eventually('the timer', () =>
    timersOf(Number(new URL(url).port)).find((one) => one.timer === '02'),
  )
  expect(timer.afterMs).toBeGreaterThan(0)
  expect(timer.afterMs).toBeLessThanOrEqual(PROBE_AFTER_MS)
  expect(PROBE_AFTER_MS).toBeLessThan(350_000)
  gate.open()
  await answered(client)
})

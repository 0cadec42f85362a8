import { describe, expect, test } from 'vitest'
import { createLog } from '../../../../src/telemetry/log.ts'
import { createMetrics } from '../../../../src/telemetry/metrics.ts'
import { GatewayError } from '../../../../src/errors.ts'
import { RawClient } from '../../../security/support/raw.ts'
import { appWith } from '../../../support/app.ts'
import { eventually } from '../../../support/eventually.ts'
import { listen } from '../../../support/listen.ts'
import { MODELS } from '../../../support/openai.ts'
import type { ErrorCode } from '../../../../src/errors.ts'

/** The app on a socket, over a gateway that refuses everything. */
async function scene(code: ErrorCode = 'results_down') {
  const refuse = async () => {
    throw new GatewayError(code, 'no')
  }
  const log = createLog('silent')
  const metrics = createMetrics()
  const { app } = appWith(refuse, 1_000, {}, { models: MODELS, log, metrics })
  const url = await listen(app, { log, metrics })
  /** The last answer to these bytes, which may come in several parts. */
  return async (...parts: string[]) => {
    const client = new RawClient(url)
    for (const part of parts) {
      client.send(part)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return eventually('an answer', () => client.answers.at(-1))
  }
}

const JSON_TYPE = 'Content-Type: application/json\r\n'
const CHAT = '/v1/chat/completions'
const CHAT_BODY = '{"model":"whole","messages":[]}'
const headed = (line: string, lines = 'Host: x\r\n', body = ''): string =>
  `${line} HTTP/1.1\r\n${lines}\r\n${body}`
const posted = (lines: string, body = ''): string =>
  headed(`POST ${CHAT}`, `Host: x\r\n${lines}`, body)
const lengthOf = (body: string): string => `Content-Length: ${body.length}\r\n`

type Case = [name: string, status: number, code: string, ...parts: string[]]
const BEFORE_ANY_ROUTE: Case[] = [
  ['no Host', 400, 'bad_request', headed('GET /v1/models', '')],
  ['two Hosts', 400, 'bad_request', headed('GET /v1/models', 'Host: a\r\nHost: b\r\n')],
  ['a Host that is none', 400, 'bad_request', headed('GET /v1/models', 'Host: a/b?c@d\r\n')],
  ['a backslash', 400, 'bad_request', headed(String.raw`GET /v1/a\b`)],
  ['an expectation', 417, 'expectation_failed', posted('Expect: banana\r\n')],
  ['no such version', 400, 'bad_request', 'GET /v1/models HTTP/1.9\r\nHost: x\r\n\r\n'],
  ['no such method', 400, 'bad_request', headed('FOO /v1/models')],
  ['a target with a blank', 400, 'bad_request', headed('GET /v1/mo dels')],
  ['a whole URL', 400, 'bad_request', headed('GET http://x/v1/models', '')],
  ['a query', 400, 'bad_request', headed('GET /v1/models?a=/x', '')],
  ['the prefix alone', 400, 'bad_request', headed('GET /v1', '')],
  ['a header without a name', 400, 'bad_request', headed('GET /v1/models', ': x\r\n')],
  ['two lengths', 400, 'bad_request', posted('Content-Length: 1\r\nContent-Length: 2\r\n')],
  ['a huge head', 431, 'head_too_large', headed(`GET /v1/models`, `X: ${'x'.repeat(20_000)}\r\n`)],
  [
    'chunks in HTTP/1.0',
    400,
    'bad_request',
    `POST ${CHAT} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'no HTTP behind a request',
    400,
    'bad_request',
    headed('GET /v1/models'),
    'no HTTP at all\r\n\r\n',
  ],
]

const BY_A_ROUTE: Case[] = [
  ['no route', 404, 'not_found', headed('GET /v1/nothing')],
  ['no route at the prefix', 404, 'not_found', headed('GET /v1')],
  ['a wrong method', 405, 'method_not_allowed', headed(`GET ${CHAT}`)],
  ['a rare method', 405, 'method_not_allowed', headed(`PATCH ${CHAT}`)],
  ['another media type', 415, 'unsupported_media_type', posted('Content-Type: text/plain\r\n')],
  ['no media type', 415, 'unsupported_media_type', posted('Content-Length: 0\r\n')],
  [
    'a compressed body',
    415,
    'unsupported_media_type',
    posted(`${JSON_TYPE}Content-Encoding: gzip\r\n`),
  ],
  ['a large body', 413, 'body_too_large', posted(`${JSON_TYPE}Content-Length: 100001\r\n`)],
  [
    'a body with a broken chunk',
    400,
    'bad_request',
    posted(`${JSON_TYPE}Transfer-Encoding: chunked\r\n`, 'zz\r\n'),
  ],
  [
    'a body with a broken second chunk',
    400,
    'bad_request',
    posted(`${JSON_TYPE}Transfer-Encoding: chunked\r\n`, '1\r\n{\r\n'),
    'zz\r\n',
  ],
  ['no JSON', 400, 'bad_request', posted(`${JSON_TYPE}${lengthOf('{')}`, '{')],
  ['not ready', 503, 'results_down', posted(`${JSON_TYPE}${lengthOf(CHAT_BODY)}`, CHAT_BODY)],
]

describe('an error under /v1 has the object that clients of OpenAI read', () => {
  test.each([...BEFORE_ANY_ROUTE, ...BY_A_ROUTE])(
    '%s: %d %s',
    async (_, status, code, ...parts) => {
      const send = await scene()
      const answer = await send(...parts)
      expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/json'])
      expect(answer.headers['x-request-id']).toMatch(/./)
      expect(JSON.parse(answer.body)).toEqual({
        error: {
          message: expect.stringMatching(/\w/),
          type: status < 500 ? 'invalid_request_error' : 'server_error',
          param: null,
          code,
        },
      })
    },
  )
})

describe('an error elsewhere stays a problem', () => {
  test.each([
    ['another path', headed('GET /livez', '')],
    ['a path that only begins so', headed('GET /v12', '')],
    ['the prefix in a query', headed('GET /livez?x=/v1/models', '')],
    ['the prefix further behind', headed('GET /jobs/v1/models', '')],
    ['another path of a whole URL', headed('GET http://v1/livez', '')],
    ['no HTTP', 'hello you, /v1/models\r\n\r\n'],
    ['the beginning of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
  ])('%s', async (_, bytes) => {
    const send = await scene()
    const answer = await send(bytes)
    expect([answer.status, answer.headers['content-type']]).toEqual([
      400,
      'application/problem+json',
    ])
  })
})

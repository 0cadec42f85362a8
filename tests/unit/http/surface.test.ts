import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { Lines } from '../../../dev/lines.ts'
import { appOf } from '../../../src/http/app.ts'
import { UnusableJson, readJson } from '../../../src/http/body.ts'
import { STATUS, clientErrorOf } from '../../../src/http/errors.ts'
import { operationsSurface } from '../../../src/http/operations.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { HttpEnv } from '../../../src/http/context.ts'
import type { Surface } from '../../../src/http/surface.ts'

/** An app with one surface at the root and one at /v1 that has a vocabulary of its own. */
function appWithV1() {
  const lines = new Lines()
  const log = createLog('debug', lines)
  const metrics = createMetrics()
  const routes = new Hono<HttpEnv>()
  routes.post('/v1/echo', async (c) => c.json({ echo: await readJson(c, 20) }))
  routes.get('/v1/fault', () => {
    throw new Error('secret')
  })
  const v1: Surface = {
    prefix: '/v1',
    routes,
    contract: {
      paths: { '/v1/echo': { post: { operationId: 'echo', responses: { 200: {} } } } },
      schemas: { Echo: { type: 'object' } },
    },
    answerError: (error, c) => {
      const { code, message } = clientErrorOf(error, c, log)
      const param = error instanceof UnusableJson ? error.fault.kind : null
      return c.json({ error: { message, param, code } }, STATUS[code] as ContentfulStatusCode)
    },
  }
  const root = operationsSurface({ health: () => [], metrics, log })
  return { app: appOf([root, v1], { metrics, log }), lines }
}

const posted = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body,
})

describe('a surface', () => {
  const cases: [
    path: string,
    request: RequestInit,
    status: number,
    code: string,
    param?: string,
  ][] = [
    ['/v1', {}, 404, 'not_found'],
    ['/v1/nowhere', {}, 404, 'not_found'],
    ['/v1/echo', {}, 405, 'method_not_allowed'],
    ['/v1/echo', posted('{', { 'content-length': '1' }), 400, 'bad_request', 'not_json'],
    ['/v1/echo', posted(`"${'x'.repeat(20)}"`), 413, 'body_too_large'],
    ['/v1/echo', posted('1', { 'content-type': 'text/plain' }), 415, 'unsupported_media_type'],
    ['/v1/fault', {}, 500, 'internal'],
  ]
  test.each(cases)(
    'answers the error of %s %j with status %i in its own form',
    async (path, request, status, code, param) => {
      const { app } = appWithV1()
      const reply = await app.request(path, request)
      expect(reply.status).toBe(status)
      expect(await reply.json()).toEqual({
        error: { message: expect.stringMatching(/\w/), param: param ?? null, code },
      })
      expect(reply.headers.get('allow')).toBe(status === 405 ? 'POST' : null)
    },
  )

  test('does not answer for a path that only begins with the same letters', async () => {
    const { app } = appWithV1()
    for (const path of ['/v1x', '/nowhere', '/v1x/']) {
      const reply = await app.request(path)
      expect(reply.status).toBe(404)
      expect(reply.headers.get('content-type')).toBe('application/problem+json')
    }
  })

  test('reveals nothing of a fault, and logs it once with its stack', async () => {
    const { app, lines } = appWithV1()
    expect(await (await app.request('/v1/fault')).text()).not.toContain('secret')
    expect(lines.named('http.internal_error')).toHaveLength(1)
  })

  test('adds its paths and schemas to /openapi.json', async () => {
    const { app } = appWithV1()
    const document = (await (await app.request('/openapi.json')).json()) as {
      paths: Record<string, object>
      components: { schemas: object }
    }
    expect(Object.keys(document.paths)).toEqual(['/livez', '/readyz', '/metrics', '/v1/echo'])
    expect(document.components.schemas).toEqual({ Echo: { type: 'object' } })
    const id = { 'x-request-id': { $ref: '#/components/headers/RequestId' } }
    expect(document.paths['/v1/echo']).toMatchObject({
      post: { responses: { 200: { headers: id } } },
    })
  })
})

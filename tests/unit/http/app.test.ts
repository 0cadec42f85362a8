import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { STATUS } from '../../../src/http/errors.ts'
import { answerOf, appWith, valid } from '../../support/app.ts'
import type { ErrorCode } from '../../../src/errors.ts'

describe('every answer', () => {
  test.each(Object.entries(STATUS))('%s is a problem with status %i', async (code, status) => {
    const { post, lines } = appWith(async () => {
      throw new GatewayError(code as ErrorCode, 'because')
    })
    const reply = await post('/generate', valid)
    expect(reply.status).toBe(status)
    expect(reply.headers.get('content-type')).toBe('application/problem+json')
    expect(reply.headers.get('retry-after')).toBe(status === 503 || status === 429 ? '1' : null)
    expect(reply.json).toEqual({
      type: 'about:blank',
      title: expect.stringMatching(/\w/),
      status,
      detail: 'because',
      code,
      job_id: 'j',
      request_id: reply.headers.get('x-request-id'),
    })
    const level = status === 503 ? 'warn' : 'info'
    expect(lines.named('http.request')).toMatchObject([{ status, code, jobId: 'j', level }])
  })

  test('the log has the type of the first fault of an invalid request, and no code of a good one', async () => {
    const { post, lines } = appWith()
    await post('/generate', { ...valid, meta: 1, content: 2 })
    await post('/generate?stream=maybe', valid)
    await post('/generate', '{')
    await post('/generate', valid)
    expect(lines.named('http.request').map(({ status, code }) => [status, code])).toEqual([
      [422, 'model_attributes_type'],
      [422, 'bool_parsing'],
      [422, 'json_invalid'],
      [200, undefined],
    ])
  })

  test('is stored by no cache, unless it is a file that stays the same', async () => {
    const { app, post } = appWith()
    for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json', '/docs', '/nowhere']) {
      const { headers } = await app.request(path)
      expect([path, headers.get('cache-control')]).toEqual([path, 'no-store'])
    }
    for (const body of [valid, {}]) {
      expect((await post('/generate', body)).headers.get('cache-control')).toBe('no-store')
    }
    expect((await app.request('/generate')).headers.get('cache-control')).toBe('no-store')
    const asset = await app.request('/docs/swagger-ui.css')
    expect(asset.headers.get('cache-control')).toBe('public, max-age=86400')
  })

  test('a fault of ours reveals nothing, and is logged with its stack', async () => {
    const { post, lines } = appWith(async () => {
      throw new Error('secret at amqp://user:password@host')
    })
    const { status, json } = await post('/generate', valid)
    expect({ status, code: json.code }).toEqual({ status: 500, code: 'internal' })
    expect(JSON.stringify(json)).not.toContain('secret')
    expect(JSON.stringify(lines.all)).not.toContain('password')
    expect(lines.named('http.internal_error')).toHaveLength(1)
  })

  test('carries the client’s request id if that can stand in a header, else one of ours', async () => {
    const { post } = appWith()
    const given = await post('/generate', valid, { 'x-request-id': 'abc-123' })
    expect(given.headers.get('x-request-id')).toBe('abc-123')
    const odd = await post('/generate', valid, { 'x-request-id': 'a b<c>' })
    expect(odd.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/)
  })

  test('no log line holds what a user wrote or a model answered', async () => {
    const { post, lines } = appWith(async () =>
      answerOf({ kind: 'succeeded', content: 'canary-2' }),
    )
    await post('/generate', { ...valid, content: 'canary-1' })
    await post('/generate', { ...valid, content: ['canary-3'] })
    await post('/generate', '{"canary-4":')
    expect(lines.named('http.request')).toHaveLength(3)
    expect(JSON.stringify(lines.all)).not.toContain('canary')
  })
})

describe('operations', () => {
  test('liveness is of the process alone, readiness of all parts', async () => {
    const { app, lines } = appWith()
    expect((await app.request('/livez')).status).toBe(200)
    const ready = await app.request('/readyz')
    expect(ready.status).toBe(503)
    expect(lines.named('http.request')).toMatchObject([
      { level: 'info' },
      { level: 'warn', status: 503 },
    ])
    expect(await ready.json()).toEqual({
      status: 'not ready',
      parts: [{ name: 'broker', ready: false, detail: 'not connected' }],
    })
  })

  test('an unknown path is a 404, a known one by another method a 405 that names the right one', async () => {
    const { app } = appWith()
    expect((await app.request('/nowhere')).status).toBe(404)
    const wrong = await app.request('/generate')
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('POST')
    expect((await app.request('/livez', { method: 'POST' })).headers.get('allow')).toBe('GET, HEAD')
  })
})

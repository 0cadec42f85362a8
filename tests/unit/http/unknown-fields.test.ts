import { describe, expect, test, vi } from 'vitest'
import { fingerprintOf } from '../../../src/gateway/claimed-run.ts'
import { GatewayError } from '../../../src/errors.ts'
import { appWith, answerOf, valid } from '../../support/app.ts'
import { job } from '../../support/core.ts'
import { listen } from '../../support/listen.ts'
import { post as send } from '../../support/http-client.ts'
import type { Answer } from '../../../src/gateway/gateway.ts'
import type { Job, JobEvent } from '../../../src/job.ts'

const HEADER = 'x-ignored-parameters'

/** What a request makes of these fields: the header, and the `meta` of the job. */
async function ask(path: string, body: object, run?: (job: Job) => Promise<Answer>) {
  const jobs: Job[] = []
  const submit = async (asked: Job) => {
    jobs.push(asked)
    const view = { id: asked.id, status: 'queued', createdAt: 1, finishedAt: null, outcome: null }
    return { view: view as Answer['view'], isReplay: false }
  }
  const scene = appWith(run, 100_000, { submit })
  const { status, headers } = await scene.post(path, body)
  const asked = jobs[0] ?? scene.run.mock.calls[0]?.[0]
  return { status, ignored: headers.get(HEADER), more: asked?.meta.more }
}

describe('a field that no route knows', () => {
  test('is named in the answer and changes nothing', async () => {
    expect(await ask('/generate', { ...valid, max_tokens: 5, stream: true })).toEqual({
      status: 200,
      ignored: 'max_tokens, stream',
      more: undefined,
    })
    const messages = [
      { role: 'user', content: 'x', name: 'n' },
      { role: 'user', content: 'y', name: 'n', tool_calls: [] },
    ]
    const chat = { job_id: 'j', meta: {}, messages, content: 'x' }
    expect((await ask('/chat_completion', chat)).ignored).toBe(
      'messages[].name, messages[].tool_calls, content',
    )
    expect(await ask('/jobs', { content: 'x', top_p: 1 })).toMatchObject({
      status: 202,
      ignored: 'top_p',
    })
  })

  test('is named in an error and a stream as well', async () => {
    const run = async () => {
      throw new GatewayError('queue_full', 'full')
    }
    const refused = await ask('/generate', { ...valid, seed: 1 }, run)
    expect(refused).toMatchObject({ status: 503, ignored: 'seed' })
    const stream = vi.fn<() => AsyncGenerator<readonly JobEvent[]>>(async function* () {
      yield [{ kind: 'status', status: 'queued' }]
    })
    const url = await listen(appWith(undefined, 1_000, { stream }).app)
    const reply = await fetch(`${url}/generate?stream=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...valid, seed: 1 }),
    })
    expect(reply.headers.get(HEADER)).toBe('seed')
    await reply.text()
    const answered = await send(url, '/generate', { ...valid, seed: 1 })
    expect({ status: answered.status, ignored: answered.headers.get(HEADER) }).toEqual({
      status: 200,
      ignored: 'seed',
    })
  })

  test('is not invented: a request without one has no such header', async () => {
    const meta = { temperature: 1, tokens_limit: 1, stop_words: ['a'], model: 'm' }
    const body = { job_id: 'j', meta, priority: 1, content: 'x' }
    expect((await ask('/generate', body)).ignored).toBeNull()
    expect((await ask('/jobs', { ...body, ttl: 1, source: 's' })).ignored).toBeNull()
  })

  test.each([
    ['a\r\nset-cookie: x', 'a%0D%0Aset-cookie%3A%20x'],
    ['a, b', 'a%2C%20b'],
    ['meta.x', 'meta%2Ex'],
    ['a[]', 'a%5B%5D'],
    ['имя', '%D0%B8%D0%BC%D1%8F'],
    ['\ud800', '%EF%BF%BD'],
    ['👋', '%F0%9F%91%8B'],
    ['', '""'],
    ['100%', '100%25'],
    ['x'.repeat(41), `${'x'.repeat(40)}...`],
    ['👋'.repeat(41), `${'%F0%9F%91%8B'.repeat(40)}...`],
  ])('is written so that it stays one name: %j', async (name, written) => {
    expect((await ask('/generate', { ...valid, [name]: 1, z: 1 })).ignored).toBe(`${written}, z`)
  })

  test('is one of 20 that are named at most', async () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `n${index}`)
    const more = Object.fromEntries(names.map((name) => [name, 1]))
    const { ignored } = await ask('/generate', { ...valid, ...more })
    expect(ignored).toBe([...names.slice(0, 20), '...'].join(', '))
    const exactly = Object.fromEntries(names.slice(0, 20).map((name) => [name, 1]))
    const { ignored: all } = await ask('/generate', { ...valid, ...exactly })
    expect(all).toBe(names.slice(0, 20).join(', '))
  })
})

describe('a field of `meta` that no route knows', () => {
  const meta = { temperature: 1, top_p: 0.9, response_format: { type: 'json_object', x: [null] } }

  test.each(['/generate', '/jobs'])('is carried to workers that may take it: %s', async (path) => {
    expect(await ask(path, { ...valid, meta })).toEqual({
      status: path === '/jobs' ? 202 : 200,
      ignored: null,
      more: { top_p: 0.9, response_format: { type: 'json_object', x: [null] } },
    })
  })

  test('is named where the workers cannot take it', async () => {
    const { post, run } = appWith(undefined, 1_000, {}, { carriesMeta: false })
    const { headers } = await post('/generate', { ...valid, meta })
    expect(headers.get(HEADER)).toBe('meta.top_p, meta.response_format')
    expect(run.mock.calls[0]?.[0].meta).not.toHaveProperty('more')
  })

  test('makes another job, whatever the order of the fields', () => {
    const with_ = (more: Record<string, unknown>) =>
      fingerprintOf({ ...job, meta: { ...job.meta, more } })
    expect(with_({ a: 1, b: { c: 1, d: 2 } })).toBe(with_({ b: { d: 2, c: 1 }, a: 1 }))
    const all = [
      fingerprintOf(job),
      with_({ a: 1 }),
      with_({ a: 2 }),
      with_({ a: '1' }),
      with_({ a: [1] }),
      with_({ a: { 0: 1 } }),
      with_({ a: [['b', 1]] }),
      with_({ a: { b: 1 } }),
      with_({ b: 1 }),
      with_({ a: null }),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  test('leaves the fingerprint of a job without one as earlier versions wrote it', () => {
    expect(fingerprintOf(job)).toBe('balgDxmc5FRWddqaaQrh0An0qQEkgBKCAjA7v7zSv6A=')
  })

  test('does not change an answer', async () => {
    const run = async () => answerOf({ kind: 'succeeded', content: 'fine' })
    expect((await ask('/generate', { ...valid, meta }, run)).status).toBe(200)
  })
})

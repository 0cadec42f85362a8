import { describe, expect, test, vi } from 'vitest'
import { notFound } from '../../../../../src/errors.ts'
import { appWith } from '../../../../support/app.ts'
import { MODELS } from '../../../../support/openai.ts'
import { readResponse } from '../../../../support/responses.ts'
import type { JobView } from '../../../../../src/job.ts'

const ID = 'resp_1'
const view: JobView = {
  id: ID,
  status: 'queued',
  createdAt: 1_790_000_000_000,
  finishedAt: null,
  outcome: null,
}

/** The routes over one stored response, which is in the background. */
function routes(gateway: Parameters<typeof appWith>[2] = {}) {
  const { echo, input } = readResponse({ input: 'Hello', background: true })
  const kept = vi.fn<(name: { readonly id: string }) => Promise<string | undefined>>(
    async ({ id }) => (id === ID ? JSON.stringify({ v: 1, echo, input }) : undefined),
  )
  const stored = {
    kept,
    view: async () => view,
    cancel: async () => view,
    remove: async () => {},
    ...gateway,
  }
  const { app } = appWith(undefined, 1_000, stored, { models: MODELS })
  const ask = async (path: string, method = 'GET') => {
    const reply = await app.request(`/v1/responses/${path}`, { method })
    // A HEAD has no body.
    const text = (await reply.text()) || '{}'
    const json = JSON.parse(text)
    const { message = '', code, param } = json.error ?? {}
    return { reply, status: reply.status, json, message, code, param }
  }
  return { ask, kept }
}

const ROUTES: [method: string, below: string][] = [
  ['GET', ''],
  ['HEAD', ''],
  ['GET', '?stream=true'],
  ['DELETE', ''],
  ['POST', '/cancel'],
  ['GET', '/input_items'],
]

describe.each(ROUTES)('%s /v1/responses/{id}%s', (method, below) => {
  test.each([
    '%00',
    '%0A',
    '%0D%0Ax%3A%20y',
    '%ED%A0%80',
    '%FF',
    '%',
    'é',
    '%F0%9F%98%80',
    '...',
    '%2F',
    '*',
    'resp_%00',
    'resp_1%0A',
    'resp_1:kept',
    'RESP_1',
    'x'.repeat(4000),
    `resp_${'x'.repeat(124)}`,
  ])('with the id %j is a 404, and asks Redis for no such key', async (id) => {
    const { ask, kept } = routes()
    const { status, message, reply } = await ask(id + below, method)
    expect([status, reply.headers.get('x-job-id')]).toEqual([404, null])
    expect(kept).not.toHaveBeenCalled()
    expect(message.length).toBeLessThan(200)
  })

  test('of a response that is gone is a 404 in the words of this surface', async () => {
    const gone = async () => {
      throw notFound()
    }
    const { ask } = routes({ view: gone, cancel: gone, remove: gone, kept: async () => undefined })
    const { status, code } = await ask(ID + below, method)
    expect([status, code]).toEqual([404, method === 'HEAD' ? undefined : 'response_not_found'])
  })
})

describe('a response by its id', () => {
  test.each(ROUTES.filter(([, below]) => !below.includes('stream')))(
    'has the header x-job-id on %s %s',
    async (method, below) => {
      const { ask } = routes()
      const { status, reply } = await ask(ID + below, method)
      expect([status, reply.headers.get('x-job-id')]).toEqual([200, ID])
    },
  )

  test('is the one that runs now, where its job begins again between two looks', async () => {
    let isReturned = false
    async function* follow() {
      try {
        yield [{ kind: 'status', status: 'running', createdAt: 1_790_000_005_000 } as const]
        await new Promise(() => {})
      } finally {
        isReturned = true
      }
    }
    const failed = { kind: 'failed', type: 'E', message: 'm' } as const
    const { ask } = routes({
      view: async () => ({ ...view, status: 'failed', outcome: failed }),
      lacksDeltas: async () => false,
      follow,
    })
    const { json } = await ask(ID)
    const { status, created_at, error } = json
    expect([status, created_at, error, isReturned]).toEqual([
      'in_progress',
      1_790_000_005,
      null,
      true,
    ])
  })

  test('whose job goes away meanwhile is a 404', async () => {
    const gone = async () => {
      throw notFound()
    }
    const { ask } = routes({ view: gone, cancel: gone, remove: gone })
    for (const [method, path] of [
      ['GET', ID],
      ['DELETE', ID],
      ['POST', `${ID}/cancel`],
    ] as const) {
      const { status, code } = await ask(path, method)
      expect([status, code]).toEqual([404, 'response_not_found'])
    }
  })

  test.each([
    ['stream', 'maybe'],
    ['stream', ''],
    ['stream', '2'],
    ['stream', 'null'],
    ['stream', 'true%00'],
    ['starting_after', '-1'],
    ['starting_after', '1.5'],
    ['starting_after', ''],
    ['starting_after', '1e3'],
    ['starting_after', '٣'],
    ['starting_after', '1'.repeat(400)],
  ])('with %s=%j is a 400 that names it, also where nothing is streamed', async (name, value) => {
    const { ask } = routes()
    const { status, param } = await ask(`${ID}?${name}=${value}`)
    expect([status, param]).toEqual([400, name])
  })

  test.each(['false', 'False', '0', 'no'])('with stream=%s is no stream', async (value) => {
    const { ask } = routes()
    const { status, json } = await ask(`${ID}?stream=${value}&starting_after=3&include[]=x`)
    expect([status, json.status]).toEqual([200, 'queued'])
  })
})

import { createServer, request } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { appWith, valid } from '../../support/app.ts'
import { listen } from '../../support/listen.ts'
import type { AddressInfo } from 'node:net'
import type { Job } from '../../../src/job.ts'

const json = { 'content-type': 'application/json' }
const view = { status: 'queued', createdAt: 1, finishedAt: null, outcome: null } as const
const submit = async ({ id }: Pick<Job, 'id'>) => ({ view: { id, ...view }, isReplay: false })

/** A reverse proxy that takes `/llm` off the path and leaves the answer as it is. Returns its URL with the prefix. */
async function behindProxy(target: string): Promise<string> {
  const proxy = createServer((from, to) => {
    const path = (from.url ?? '').replace(/^\/llm/, '')
    const passed = request(target + path, { method: from.method, headers: from.headers })
    from.pipe(passed)
    passed.on('response', (answer) => {
      to.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(to)
    })
  })
  onTestFinished(async () => {
    proxy.closeAllConnections()
    await new Promise((resolve) => proxy.close(resolve))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/llm`
}

describe('a slash at the end of a path', () => {
  test.each([
    ['POST', '/generate/'],
    ['POST', '/chat_completion/?stream=true&queue_name=a%20b'],
    ['POST', '/jobs/'],
    ['GET', '/jobs/j-1/'],
    ['DELETE', '/jobs/j-1/'],
    ['GET', '/jobs/j-1/events/?after=1-1'],
    ['GET', '/docs/'],
    ['GET', '/livez/'],
    ['HEAD', '/readyz/'],
    ['GET', '/generate/'],
    ['POST', '/generate//'],
  ])('of %s %s is a 307 to the path without it', async (method, path) => {
    const { app } = appWith()
    const { status, headers } = await app.request(path, { method })
    expect(status).toBe(307)
    expect(headers.get('x-request-id')).toMatch(/\w/)
    const location = headers.get('location') ?? ''
    for (const base of ['http://h', 'http://h/llm']) {
      const without = path.replace(/\/+(?=$|\?)/, '')
      expect(new URL(location, base + path).href).toBe(base + without)
    }
  })

  test.each(['/nowhere/', '//', '//jobs/', '/jobs//events/', '/jobs/a/b/', '//evil.example/'])(
    'of %s, where there is nothing without it either, is a 404',
    async (path) => {
      const { status, headers } = await appWith().app.request(`http://h${path}`)
      expect({ status, location: headers.get('location') }).toEqual({ status: 404, location: null })
    },
  )

  test('costs a client that follows it nothing of its request', async () => {
    const url = await listen(appWith(undefined, 1_000, { submit }).app)
    const body = JSON.stringify({ job_id: 'j-1', content: 'x' })
    const reply = await fetch(`${url}/jobs/`, { method: 'POST', headers: json, body })
    expect({ status: reply.status, job: await reply.json() }).toMatchObject({
      status: 202,
      job: { job_id: 'j-1' },
    })
  })
})

describe('the root', () => {
  test('leads to /docs', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await appWith().app.request('/', { method })
      expect({ status, location: headers.get('location') }).toEqual({
        status: 307,
        location: 'docs',
      })
    }
  })

  test('answers OPTIONS, as a health check of HAProxy asks', async () => {
    const { status, headers } = await appWith().app.request('/', { method: 'OPTIONS' })
    expect({ status, allow: headers.get('allow') }).toEqual({
      status: 200,
      allow: 'GET, HEAD, OPTIONS',
    })
  })
})

describe('behind a proxy that takes a prefix off', () => {
  test('the Location of a job leads to the job', async () => {
    const run = async () => {
      throw new GatewayError('timed_out', 'no outcome')
    }
    const hold = async () => {
      throw new GatewayError('interrupted', 'a stop')
    }
    async function* stream() {
      yield [{ kind: 'status', status: 'queued' } as const]
    }
    const gateway = { submit, hold, stream, view: async () => ({ id: 'j', ...view }) }
    const url = await behindProxy(await listen(appWith(run, 1_000, gateway).app))
    const requests: [path: string, headers?: Record<string, string>][] = [
      ['/jobs'],
      ['/jobs', { prefer: 'wait=1' }],
      ['/generate'],
      ['/generate', { prefer: 'respond-async' }],
      ['/generate', { prefer: 'wait=1', 'x-forwarded-prefix': '/llm' }],
      ['/generate?stream=true'],
    ]
    for (const [path, headers] of requests) {
      const body = JSON.stringify(path === '/jobs' ? { job_id: 'j', content: 'x' } : valid)
      const init = { method: 'POST', headers: { ...json, ...headers }, body }
      const reply = await fetch(url + path, init)
      await reply.text()
      const location = new URL(reply.headers.get('location') ?? '', url + path).href
      expect([path, headers, location]).toEqual([path, headers, `${url}/jobs/j`])
    }
    const held = await fetch(`${url}/jobs/j`, { headers: { prefer: 'wait=1' } })
    expect(held.status).toBe(503)
    const location = new URL(held.headers.get('location') ?? '', `${url}/jobs/j`).href
    expect(location).toBe(`${url}/jobs/j`)
  })

  test('the page, its files and the contract are found, and the contract names the prefix', async () => {
    const url = await behindProxy(await listen(appWith().app))
    const page = await fetch(`${url}/`)
    expect(page.url).toBe(`${url}/docs`)
    const html = await page.text()
    const files = [...html.matchAll(/(?:src|href)="(docs\/[^"]*)"/g)].map(([, file]) => file ?? '')
    expect(files).toHaveLength(3)
    for (const file of files) expect((await fetch(new URL(file, page.url))).status).toBe(200)
    const start = await (await fetch(new URL('docs/start.js', page.url))).text()
    const [, name = ''] = /url: '([^']*)'/.exec(start) ?? []
    const contract = await fetch(new URL(name, page.url))
    expect(contract.url).toBe(`${url}/openapi.json`)
    const { servers, paths } = (await contract.json()) as {
      servers: { url: string }[]
      paths: object
    }
    // As Swagger UI joins them: https://spec.openapis.org/oas/v3.1.0#server-object
    const base = new URL(servers[0]?.url ?? '', contract.url).href.replace(/\/$/, '')
    expect(Object.keys(paths)).toContain('/generate')
    const body = JSON.stringify(valid)
    const reply = await fetch(`${base}/generate`, { method: 'POST', headers: json, body })
    expect(await reply.json()).toEqual({ content: 'fine' })
  })

  test('a slash at the end keeps the prefix', async () => {
    const url = await behindProxy(await listen(appWith().app))
    const body = JSON.stringify(valid)
    const reply = await fetch(`${url}/generate/`, { method: 'POST', headers: json, body })
    expect({ url: reply.url, body: await reply.json() }).toEqual({
      url: `${url}/generate`,
      body: { content: 'fine' },
    })
  })
})

describe('a wrong method', () => {
  const detailOf = async (method: string, path: string) => {
    const reply = await appWith().app.request(path, { method })
    expect(reply.status).toBe(405)
    return ((await reply.json()) as { detail: string }).detail
  }

  test('is answered with the ones that the path takes', async () => {
    expect(await detailOf('PUT', '/generate')).toBe('this path takes POST, not PUT')
    expect(await detailOf('PATCH', '/jobs/j')).toBe(
      'this path takes GET or HEAD or DELETE, not PATCH',
    )
  })

  test('of /jobs is answered with the path of one job', async () => {
    expect(await detailOf('GET', '/jobs')).toBe(
      'this path takes POST, not GET. For one item: GET /jobs/{id}',
    )
    expect(await detailOf('DELETE', '/jobs')).toBe(
      'this path takes POST, not DELETE. For one item: DELETE /jobs/{id}',
    )
  })
})

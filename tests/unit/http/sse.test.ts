import { createServer } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { SseStream, sendEvents } from '../../../src/http/sse.ts'
import type { AddressInfo } from 'node:net'
import type { HttpEnv } from '../../../src/http/context.ts'
import type { EventWriter } from '../../../src/http/sse.ts'
import type { JobEvent } from '../../../src/job.ts'

/** Writes text alone, in a form that no surface of ours has. */
const writer: EventWriter = {
  events: (batch) =>
    batch.map((event) => (event.kind === 'delta' ? `data: ${event.text}\n\n` : '')).join(''),
  failure: (error) => `data: broken by ${(error as Error).message}\n\n`,
  ping: () => ': ping\n',
}

/** The URL of a server that answers with these batches. The last one may be an error. */
async function serve(...batches: (JobEvent[] | Error)[]) {
  let isOver = false
  async function* follow() {
    try {
      for (const batch of batches) {
        if (batch instanceof Error) throw batch
        yield batch
      }
    } finally {
      isOver = true
    }
  }
  const app = new Hono<HttpEnv>()
  app.get('/', (c) => sendEvents(c, follow(), writer, { 'x-more': 'yes' }))
  app.onError((error, c) => c.text(error.message, 503))
  const answer = getRequestListener(app.fetch)
  const server = createServer((request, response) => void answer(request, response)).listen(0)
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, isOver: () => isOver }
}

const delta = (text: string): JobEvent => ({ kind: 'delta', id: '1-1', text })

describe('a stream of events', () => {
  test('holds what the writer makes of the events, and nothing else', async () => {
    const { url } = await serve([{ kind: 'status', status: 'running' }], [delta('a'), delta('b')])
    const reply = await fetch(url)
    expect(reply.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(reply.headers.get('x-more')).toBe('yes')
    expect(await reply.text()).toBe('data: a\n\ndata: b\n\n')
  })

  test('that breaks after its first event ends with the writer’s words for the failure', async () => {
    const { url } = await serve([delta('a')], new Error('a stop'))
    expect(await (await fetch(url)).text()).toBe('data: a\n\ndata: broken by a stop\n\n')
  })

  test('that fails before its first event has the status of the error', async () => {
    const { url } = await serve(new Error('no such job'))
    const reply = await fetch(url)
    expect({ status: reply.status, text: await reply.text() }).toEqual({
      status: 503,
      text: 'no such job',
    })
  })

  test('answers HEAD with its headers, and follows the job no longer', async () => {
    const { url, isOver } = await serve([delta('a')], [delta('b')])
    const reply = await fetch(url, { method: 'HEAD' })
    expect({ status: reply.status, text: await reply.text() }).toEqual({ status: 200, text: '' })
    expect(reply.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(isOver()).toBe(true)
  })
})

describe('silence on a stream', () => {
  afterEach(() => void vi.useRealTimers())

  test('is broken by the writer’s ping every 15 s, until the stream ends', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const outgoing = new PassThrough().setEncoding('utf8')
    let text = ''
    outgoing.on('data', (chunk: string) => (text += chunk))
    const stream = new SseStream(outgoing, writer.ping)
    vi.advanceTimersByTime(14_000)
    await stream.send('data: a\n\n')
    vi.advanceTimersByTime(1_000)
    await turn()
    // It is 15 s old, but has been silent for one second only.
    expect(text).toBe('data: a\n\n')
    vi.advanceTimersByTime(15_000)
    await turn()
    expect(text).toBe('data: a\n\n: ping\n')
    stream.end()
    vi.advanceTimersByTime(60_000)
    await turn()
    expect(text).toBe('data: a\n\n: ping\n')
  })
})

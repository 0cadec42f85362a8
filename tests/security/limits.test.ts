import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import { generate, post } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { freshSettings, startGateway, startPlainWorker, testChannel } from '../support/scene.ts'
import { RawClient, jobRequest, requestOf } from './support/raw.ts'

describe('requests held at once', () => {
  test('1,000 requests on one socket count like those of 1,000 clients, and are answered in order', async () => {
    const settings = { ...freshSettings(), MAX_PENDING: '50', TIMEOUT: '25' }
    const gateway = await startGateway(settings)
    const gate = closedGate()
    let most = 0
    const worker = await startPlainWorker(settings, async ({ content }) => {
      most = Math.max(most, gateway.load().pending)
      await gate.opened
      return content
    })
    const client = new RawClient(gateway.url)
    const ids = Array.from({ length: 1_000 }, (_, index) => `p-${index}`)
    client.send(ids.map((id) => jobRequest(id, `for ${id}`)).join(''))
    await eventually('the worker has 50', () => worker.tasks.length === 50)
    const rejected = 'gateway_rejected_total{reason="overloaded"}'
    await eventually('others are refused', async () => {
      return ((await metricsOf(gateway.url))[rejected] ?? 0) > 100
    })
    expect(gateway.load().pending).toBe(50)
    expect((await generate(gateway.url, 'other', 'x')).status).toBe(503)
    expect(worker.tasks.map(({ id }) => id).toSorted()).toEqual(ids.slice(0, 50).toSorted())

    gate.open()
    const answers = await eventually('all are answered', () => {
      return client.answers.length === ids.length && client.answers
    })
    expect(answers.map(({ headers }) => headers['x-job-id'])).toEqual(ids)
    const isOwnAnswer = answers.map(({ body }, index) => body === `{"content":"for p-${index}"}`)
    const isRefusal = answers.map(({ status, body }) => {
      return status === 503 && (JSON.parse(body) as { code: string }).code === 'overloaded'
    })
    expect(isOwnAnswer.slice(0, 50)).toEqual(Array(50).fill(true))
    // What the socket's own backpressure kept unread until then has had its turn.
    expect(isOwnAnswer.map((isOwn, index) => isOwn !== isRefusal[index])).not.toContain(false)
    expect(isRefusal.filter(Boolean).length).toBeGreaterThan(100)
    expect(most).toBe(50)
    await eventually('no request is held', () => gateway.load().pending === 0)
    await eventually('only the probe is subscribed', () => gateway.load().subscriptions === 1)
    const channel = await testChannel()
    expect((await channel.checkQueue(settings.QUEUE_NAME)).messageCount).toBe(0)
  })

  test('one too many is refused for now, and is taken when there is room', async () => {
    const settings = { ...freshSettings(), MAX_PENDING: '2' }
    const gateway = await startGateway(settings)
    const gate = closedGate()
    await startPlainWorker(settings, () => gate.opened.then(() => 'done'))
    const held = ['h-1', 'h-2'].map((id) => generate(gateway.url, id, 'x'))
    await eventually('both are held', () => gateway.load().pending === 2)
    // A request that would join a job is one more to hold, too.
    for (const id of ['h-1', 'h-3']) {
      const refused = await generate(gateway.url, id, 'x')
      expect(refused.body).toMatchObject({ status: 503, code: 'overloaded' })
      expect(refused.headers.get('retry-after')).toBe('1')
    }
    gate.open()
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200])
    expect((await generate(gateway.url, 'h-3', 'x')).status).toBe(200)
  })
})

describe('a body', () => {
  const settings = () => ({ ...freshSettings(), MAX_BODY_BYTES: '10000' })

  test('of a stated length over the limit is refused before a byte of it was sent', async () => {
    const gateway = await startGateway(settings())
    const client = new RawClient(gateway.url)
    client.send(requestOf('', ['Content-Length: 10001']))
    await eventually('it is answered', () => client.answers.length === 1)
    expect(client.answers).toMatchObject([{ status: 413 }])
    // What it announced is not waited for.
    await eventually('the connection is closed', () => client.isClosed, 5_000)
  })

  test('without a stated length is refused as soon as it is over, and the rest is not read', async () => {
    const gateway = await startGateway(settings())
    const client = new RawClient(gateway.url)
    const chunk = `${(5_000).toString(16)}\r\n${'x'.repeat(5_000)}\r\n`
    client.send(requestOf('', ['Transfer-Encoding: chunked']) + chunk + chunk)
    const sending = setInterval(() => client.send(chunk), 5)
    await client.closed.finally(() => clearInterval(sending))
    expect(client.answers.map(({ status }) => status)).toEqual([413])
    expect(client.socket.bytesWritten).toBeLessThan(5_000_000)
    expect(gateway.log.named('http.internal_error')).toEqual([])
  })

  test('of exactly the limit is taken', async () => {
    const options = settings()
    const gateway = await startGateway(options)
    await startPlainWorker(options, ({ content }) => String(content.length))
    const empty = JSON.stringify({ job_id: 'b-1', meta: {}, content: '' }).length
    const reply = await generate(gateway.url, 'b-1', 'x'.repeat(10_000 - empty))
    expect(reply.body).toEqual({ content: String(10_000 - empty) })
    expect((await generate(gateway.url, 'b-2', 'x'.repeat(10_001 - empty))).status).toBe(413)
  })
})

describe('JSON', () => {
  test('may have 1,024 messages and not 1,025', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    const worker = await startPlainWorker(settings, () => 'read')
    const chat = (id: string, count: number) => {
      const messages = Array.from({ length: count }, () => ({ role: 'user', content: 'x' }))
      return post(gateway.url, '/chat_completion', { job_id: id, meta: {}, messages })
    }
    expect((await chat('w-1', 1_024)).body).toEqual({ content: 'read' })
    const refused = await chat('w-2', 1_025)
    expect(refused.status).toBe(422)
    expect(refused.body.detail).toMatchObject([{ loc: ['body', 'messages'], type: 'too_long' }])
    expect(worker.tasks.map(({ id }) => id)).toEqual(['w-1'])
  })

  test('64 levels deep is read, deeper is a 422 however deep it is, and never a 500', async () => {
    const settings = freshSettings()
    const gateway = await startGateway(settings)
    await startPlainWorker(settings, () => 'read')
    const listsIn = (levels: number): string =>
      `{"job_id":"d-${levels}","meta":{},"content":"x","extra":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
    const objectsIn = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels)
    expect((await post(gateway.url, '/generate', listsIn(64))).status).toBe(200)
    const tooDeep = [listsIn(65), listsIn(10_000), objectsIn(10_000), listsIn(500_000)]
    for (const body of [...tooDeep, '['.repeat(10_000)]) {
      expect((await post(gateway.url, '/generate', body)).status).toBe(422)
    }
    expect(gateway.log.named('http.internal_error')).toEqual([])
  })
})

import { describe, expect, test } from 'vitest'
import { freePort } from '../../../dev/services/port.ts'
import { echoEngine } from '../../../worker-stub/engines/echo.ts'
import { baseUrl, openaiEngine } from '../../../worker-stub/engines/openai.ts'
import { eventually } from '../../support/eventually.ts'
import { job, upstream } from '../../support/upstream.ts'
import type { ServerResponse } from 'node:http'
import type { Job } from '../../../src/job.ts'

const never = new AbortController().signal
const ignore = (): void => {}
describe('echo engine', () => {
  test('repeats the last message', async () => {
    const engine = echoEngine({ delayMs: 0, tokensPerS: 0, failureRate: 0 })
    expect(await engine.run(job, never, ignore)).toMatchObject({
      kind: 'succeeded',
      content: 'echo: Hi',
    })
  })

  test('fails about as often as told, and always for the same jobs', async () => {
    const engine = echoEngine({ delayMs: 0, tokensPerS: 0, failureRate: 0.25 })
    const kinds = async () =>
      Promise.all(
        Array.from({ length: 1_000 }, async (_, index) => {
          return (await engine.run({ ...job, id: `job-${index}` }, never, ignore)).kind
        }),
      )
    const first = await kinds()
    const failures = first.filter((kind) => kind === 'failed').length
    expect(failures).toBeGreaterThan(200)
    expect(failures).toBeLessThan(300)
    expect(await kinds()).toEqual(first)
  })

  test('takes its time, and stops when told', async () => {
    const engine = echoEngine({ delayMs: 60_000, tokensPerS: 1, failureRate: 0 })
    const abort = new AbortController()
    const running = engine.run(job, abort.signal, ignore)
    abort.abort()
    await expect(running).rejects.toThrow('aborted')
  })
})

describe('echo engine with a speed', () => {
  const engine = echoEngine({ delayMs: 0, tokensPerS: 1_000, failureRate: 0 })
  const saying = (content: string): Job => ({ ...job, messages: [{ role: 'user', content }] })

  test('says word by word what it answers, at that speed', async () => {
    const deltas: string[] = []
    const started = performance.now()
    const outcome = await engine.run(saying('a  «ы»\n\nc 🙂 '.repeat(50)), never, (text) => {
      deltas.push(text)
    })
    const ms = performance.now() - started
    expect(deltas.slice(0, 5)).toEqual(['echo: ', 'a  ', '«ы»\n\n', 'c ', '🙂 '])
    expect(deltas).toHaveLength(201)
    expect(outcome).toMatchObject({ content: deltas.join('') })
    expect(ms).toBeGreaterThan(195)
    expect(ms).toBeLessThan(1_000)
  })

  test('catches up when its timer was late', async () => {
    const abort = new AbortController()
    let said = 0
    const running = engine.run(saying('word '.repeat(10_000)), abort.signal, () => {
      said += 1
    })
    await eventually('it has begun', () => said > 0)
    const blockedUntil = performance.now() + 200
    while (performance.now() < blockedUntil);
    const before = said
    // What was due meanwhile is said in one turn; by timers it would be one word.
    await eventually('it continues', () => said > before)
    expect(said - before).toBeGreaterThan(150)
    abort.abort()
    await expect(running).rejects.toThrow('aborted')
  })

  test('says nothing more once it is stopped', async () => {
    const abort = new AbortController()
    let [said, saidAtOnce] = [0, 0]
    const running = engine.run(saying('word '.repeat(10_000)), abort.signal, () => {
      said += 1
      if (said > 1) return
      abort.abort()
      // What was due by then is said in the same turn.
      setImmediate(() => (saidAtOnce = said))
    })
    await expect(running).rejects.toThrow('aborted')
    expect(said).toBeLessThan(10_000)
    await eventually('the turn is over', () => saidAtOnce > 0)
    expect(said).toBe(saidAtOnce)
  })

  test('takes no longer for its timers at a high speed', async () => {
    const fast = echoEngine({ delayMs: 0, tokensPerS: 100_000, failureRate: 0 })
    const started = performance.now()
    await fast.run(saying('word '.repeat(20_000)), never, ignore)
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})

const chunk = (choice: object, rest: object = {}) =>
  `data: ${JSON.stringify({ model: 'served', choices: [{ index: 0, ...choice }], ...rest })}\n\n`

describe('openai engine', () => {
  test('carries the job over and collects the stream', async () => {
    const { host, requests } = await upstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(': ping\n\n')
      response.write(chunk({ delta: { role: 'assistant', content: '' }, finish_reason: null }))
      response.write(chunk({ delta: { content: 'Hel' } }))
      // Cut in the middle of an event and of a character.
      const rest = Buffer.from(chunk({ delta: { content: 'lo «ы»' } }))
      response.write(rest.subarray(0, rest.length - 12))
      setImmediate(() => {
        response.write(rest.subarray(rest.length - 12))
        response.write(chunk({ delta: {}, finish_reason: 'stop' }))
        const usage = { prompt_tokens: 7, completion_tokens: 2 }
        response.write(`data: ${JSON.stringify({ model: 'served', choices: [], usage })}\r\n\r\n`)
        response.end('data: [DONE]\n\n')
      })
    })
    const engine = openaiEngine({ url: host, model: 'default', apiKey: 'key' })
    const deltas: string[] = []
    const outcome = await engine.run(job, never, (text) => deltas.push(text))
    expect(deltas).toEqual(['Hel', 'lo «ы»'])
    expect(outcome).toEqual({
      kind: 'succeeded',
      content: 'Hello «ы»',
      finishReason: 'stop',
      model: 'served',
      usage: { promptTokens: 7, completionTokens: 2 },
    })
    const [request] = requests
    expect(request).toMatchObject({ method: 'POST', url: '/v1/chat/completions' })
    expect(request?.headers.authorization).toBe('Bearer key')
    expect(request?.body).toEqual({
      model: 'default',
      messages: job.messages,
      temperature: 0.5,
      max_tokens: 10,
      stop: ['stop'],
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  test.each([undefined, null])('asks for nothing that the job leaves open as %s', async (open) => {
    const { host, requests } = await upstream((response) => void response.end())
    const meta = { temperature: open, tokensLimit: open, stopWords: [], model: null }
    await openaiEngine({ url: host }).run({ ...job, meta }, never, ignore)
    const stream = { stream: true, stream_options: { include_usage: true } }
    expect(requests[0]?.body).toEqual({ messages: job.messages, ...stream })
    const options = { url: host, temperature: 0, maxTokens: 5 }
    await openaiEngine(options).run({ ...job, meta }, never, ignore)
    expect(requests[1]?.body).toMatchObject({ temperature: 0, max_tokens: 5 })
    await openaiEngine(options).run(job, never, ignore)
    expect(requests[2]?.body).toMatchObject({ temperature: 0.5, max_tokens: 10 })
  })

  test('closes its request when told, in the middle of the answer', async () => {
    let isClosed = false
    const { host } = await upstream((response) => {
      response.on('close', () => (isClosed = true))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ delta: { content: 'Hel' } }))
    })
    const abort = new AbortController()
    const reason = new Error('no client wants it')
    const running = openaiEngine({ url: host }).run(job, abort.signal, () => abort.abort(reason))
    await expect(running).rejects.toBe(reason)
    await eventually('the server sees it', () => isClosed, 1_000)
  })

  test('takes a whole completion from a server that does not stream', async () => {
    const { host } = await upstream((response) => {
      const choices = [{ message: { role: 'assistant', content: 'all' }, finish_reason: 'length' }]
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ choices }))
    })
    expect(await openaiEngine({ url: host }).run(job, never, ignore)).toEqual({
      kind: 'succeeded',
      content: 'all',
      finishReason: 'length',
    })
  })

  test.each([
    [400, '{"error":{"message":"bad model"}}', 'bad model'],
    [500, 'oops', 'oops'],
    [503, '', ''],
  ])('status %i is a failed outcome with the server’s words', async (status, body, message) => {
    const { host } = await upstream((response) => response.writeHead(status).end(body))
    const outcome = await openaiEngine({ url: `http://${host}/v1/` }).run(job, never, ignore)
    expect(outcome).toEqual({ kind: 'failed', type: `upstream_${status}`, message })
  })

  test('an error in the middle of a stream is a failed outcome', async () => {
    const { host } = await upstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ delta: { content: 'Hel' } }))
      response.end('data: {"error":{"message":"out of memory"}}\n\n')
    })
    expect(await openaiEngine({ url: host }).run(job, never, ignore)).toMatchObject({
      kind: 'failed',
      message: 'out of memory',
    })
  })

  test.each([
    ['ends early', (response: ServerResponse) => response.end()],
    ['breaks off', (response: ServerResponse) => response.destroy()],
  ])('half an answer is none: the stream %s', async (_, stop) => {
    const { host } = await upstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ delta: { content: 'Hel' } }), () => stop(response))
    })
    const outcome = await openaiEngine({ url: host }).run(job, never, ignore)
    expect(outcome).toMatchObject({ kind: 'failed' })
  })

  test('an answer that is no JSON is a failed outcome, and not called unreachable', async () => {
    const { host } = await upstream((response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('<canary>')
    })
    const outcome = await openaiEngine({ url: host }).run(job, never, ignore)
    expect(outcome).toMatchObject({ kind: 'failed', type: 'upstream_error' })
    expect(JSON.stringify(outcome)).not.toContain('canary')
  })

  test('a server that is not there is a failed outcome', async () => {
    const url = `127.0.0.1:${await freePort()}`
    const outcome = await openaiEngine({ url }).run(job, never, ignore)
    expect(outcome).toEqual({
      kind: 'failed',
      type: 'upstream_unreachable',
      message: 'no answer from the upstream (ECONNREFUSED)',
    })
  })

  test.each([
    ['localhost:8670', 'http://localhost:8670/v1'],
    ['http://host', 'http://host/v1'],
    ['https://host/v1/', 'https://host/v1'],
    ['HTTP://host/prefix', 'HTTP://host/prefix/v1'],
  ])('%s means %s', (url, base) => {
    expect(baseUrl(url)).toBe(base)
  })
})

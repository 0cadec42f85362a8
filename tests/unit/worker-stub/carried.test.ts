import { describe, expect, test } from 'vitest'
import { openaiEngine } from '../../../worker-stub/engines/openai.ts'
import { D, job, sends, upstream } from '../../support/upstream.ts'
import type { EngineRequest, Outcome } from '../../../src/job.ts'

const LOSSY = '{"seed":9007199254740993,"a":1.0,"a":-0,"b":1e400,"__proto__":{"x":1}}'

/** What the engine makes of a request, and the texts and chunks it told. */
async function carried(url: string, request: EngineRequest) {
  const told: [string, string | undefined][] = []
  const engine = openaiEngine({ url })
  const signal = AbortSignal.timeout(10_000)
  const outcome: Outcome = await engine.run({ ...job, request }, signal, (text, chunk) => {
    told.push([text, chunk])
  })
  return { outcome, told }
}

const chat = (body: string): EngineRequest => ({ endpoint: '/v1/chat/completions', body })
const chunk = (choice: string, more = ''): string =>
  `{"x":1.0,"choices":[{"index":0,"delta":{${choice}},"finish_reason":null}]${more}}`
const END = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'

describe('a request that is carried', () => {
  test('is posted to its endpoint byte for byte', async () => {
    const server = await upstream(sends([LOSSY], { 'content-type': 'application/json' }))
    const sent: string[] = []
    server.server.on('request', (request) => {
      let text = ''
      request.on('data', (piece: Buffer) => (text += piece.toString()))
      request.on('end', () => sent.push(text))
    })
    for (const endpoint of ['/v1/chat/completions', '/v1/embeddings', '/v1/completions']) {
      await carried(server.url, { endpoint, body: LOSSY })
    }
    expect(sent).toEqual([LOSSY, LOSSY, LOSSY])
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/v1/chat/completions',
      '/v1/embeddings',
      '/v1/completions',
    ])
  })

  test('gets the chunks of a stream as the server sent them, each with its text', async () => {
    const tool = chunk('"tool_calls":[{"index":0,"id":"c","function":{"arguments":"{\\"a"}}]')
    const chunks = [chunk('"content":"Hel"'), tool, chunk('"content":"lo"', ',"seed":1e400'), END]
    const { url } = await upstream(sends([...chunks.map((text) => `data: ${text}\n\n`), D]))
    const { outcome, told } = await carried(url, chat('{"stream":true}'))
    expect(told).toEqual([
      ['Hel', chunks[0]],
      ['', chunks[1]],
      ['lo', chunks[2]],
      ['', chunks[3]],
    ])
    const body =
      '{"x":1.0,"seed":1e400,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello",' +
      '"tool_calls":[{"id":"c","function":{"arguments":"{\\"a"}}]},"finish_reason":"stop"}]}'
    expect(outcome).toEqual({ kind: 'succeeded', content: 'Hello', finishReason: 'stop', body })
  })

  test('has the whole body of a stream only where it is more than a text', async () => {
    const pieces = ['Hel', 'lo'].map((text) => chunk(`"content":"${text}"`))
    const { url } = await upstream(sends([...pieces, END, '[DONE]'].map((it) => `data: ${it}\n\n`)))
    const { outcome } = await carried(url, chat('{"stream":true}'))
    expect(outcome).toEqual({ kind: 'succeeded', content: 'Hello', finishReason: 'stop' })
  })

  test('has tool calls alone for an answer', async () => {
    const tool = chunk('"tool_calls":[{"index":0,"id":"c"}]')
    const end = END.replace('stop', 'tool_calls')
    const { url } = await upstream(sends([`data: ${tool}\n\n`, `data: ${end}\n\n`, D]))
    const { outcome } = await carried(url, chat('{"stream":true}'))
    const message = { role: 'assistant', content: null, tool_calls: [{ id: 'c' }] }
    expect(outcome).toMatchObject({ kind: 'succeeded', content: '', finishReason: 'tool_calls' })
    expect(JSON.parse((outcome as { body: string }).body).choices).toEqual([
      { index: 0, message, finish_reason: 'tool_calls' },
    ])
  })

  test('gets a whole answer as the server sent it, with its text', async () => {
    const body =
      '{"choices":[{"index":1,"message":{"content":"no"}},{"index":0,"message":{"content":"yes"},"finish_reason":"stop"}],"n":1.0}'
    const { url } = await upstream(sends([body], { 'content-type': 'application/json' }))
    const { outcome, told } = await carried(url, chat('{"n":2}'))
    expect(told).toEqual([])
    expect(outcome).toEqual({ kind: 'succeeded', content: 'yes', finishReason: 'stop', body })
  })

  test('has the text of the first of several streamed answers', async () => {
    const of = (index: number, content: string): string =>
      `data: {"choices":[{"index":${index},"delta":{"content":"${content}"},"finish_reason":"stop"}]}\n\n`
    const { url } = await upstream(sends([of(1, 'no'), of(0, 'yes'), D]))
    const { outcome, told } = await carried(url, chat('{"stream":true,"n":2}'))
    expect(outcome).toMatchObject({ kind: 'succeeded', content: 'yes' })
    expect(told.map(([text]) => text)).toEqual(['', 'yes'])
  })

  test('gets the text of the older completions', async () => {
    const text = (piece: string): string =>
      `data: {"choices":[{"index":0,"text":"${piece}","finish_reason":null}]}\n\n`
    const { url } = await upstream(sends([text('Hel'), text('lo'), `data: ${END}\n\n`, D]))
    const { outcome } = await carried(url, { endpoint: '/v1/completions', body: '{"stream":true}' })
    expect(outcome).toMatchObject({ content: 'Hello' })
  })

  test.each(['["a","b"]', '[[1,2],[3]]'])(
    'waits for the answer to each of the prompts %s',
    async (prompt) => {
      const of = (index: number, reason: string | null): string =>
        `data: {"choices":[{"index":${index},"text":"x","finish_reason":${JSON.stringify(reason)}}]}\n\n`
      const { url } = await upstream((response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(of(0, 'stop'))
        // Longer than the usage and [DONE] may take behind the last answer.
        setTimeout(() => response.end(of(1, null) + of(1, 'stop') + D), 2_300)
      })
      const body = `{"stream":true,"prompt":${prompt}}`
      const { told } = await carried(url, { endpoint: '/v1/completions', body })
      expect(told).toHaveLength(3)
    },
  )

  test('has failed where one of several answers was broken off', async () => {
    const of = (index: number, reason: string): string =>
      `data: {"choices":[{"index":${index},"delta":{"content":"x"},"finish_reason":"${reason}"}]}\n\n`
    const { url } = await upstream(sends([of(0, 'stop'), of(1, 'abort'), D]))
    const { outcome } = await carried(url, chat('{"stream":true,"n":2}'))
    expect(outcome).toMatchObject({ kind: 'failed', type: 'upstream_error' })
  })

  test('gets embeddings, which have no choices', async () => {
    const body = '{"object":"list","data":[{"index":0,"embedding":[0.10,1e-7]}],"model":"e"}'
    const { url } = await upstream(sends([body], { 'content-type': 'application/json' }))
    const { outcome } = await carried(url, { endpoint: '/v1/embeddings', body: '{"input":"x"}' })
    expect(outcome).toEqual({ kind: 'succeeded', content: '', body })
  })

  test('fails with the status, code and param of the server', async () => {
    const error = { message: 'no', type: 'invalid_request_error', param: 'tools', code: 'bad' }
    const { url } = await upstream((response) => {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error }))
    })
    const { outcome } = await carried(url, chat('{}'))
    expect(outcome).toEqual({
      kind: 'failed',
      type: 'upstream_400',
      message: 'no',
      status: 400,
      code: 'bad',
      param: 'tools',
    })
  })

  test('is asked again where the server is busy', async () => {
    const { url, requests } = await upstream((response, _, count) => {
      if (count > 1) return void response.end('{"choices":[{"message":{"content":"x"}}]}')
      response.writeHead(429, { 'retry-after': '0' })
      response.end('{"error":{"message":"busy"}}')
    })
    expect((await carried(url, chat('{}'))).outcome).toMatchObject({ content: 'x' })
    expect(requests).toHaveLength(2)
  })
})

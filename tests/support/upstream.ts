import { createServer } from 'node:http'
import { onTestFinished } from 'vitest'
import { openaiEngine } from '../../worker-stub/engines/openai.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Job, Outcome } from '../../src/job.ts'
import type { OpenaiOptions } from '../../worker-stub/engines/openai.ts'

export interface UpstreamRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Readonly<Record<string, unknown>>
}

type Respond = (response: ServerResponse, request: UpstreamRequest, count: number) => void

/** A stand-in for an OpenAI-compatible server on loopback. Closed after the test. */
export async function upstream(respond: Respond) {
  const requests: UpstreamRequest[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const body = JSON.parse(text || '{}') as UpstreamRequest['body']
      requests.push({ method, url, headers, body })
      respond(response, requests.at(-1) as UpstreamRequest, requests.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { host, url: `http://${host}`, requests, server }
}

const SSE = { 'content-type': 'text/event-stream' }

/** Answers each request with these pieces, each in a write of its own, and ends it. */
export const sends =
  (pieces: readonly (string | Buffer)[], headers: Record<string, string> = SSE): Respond =>
  (response) => {
    response.writeHead(200, headers)
    for (const piece of pieces) response.write(piece)
    response.end()
  }

/** An event with a piece of text, as most servers write it. */
export const C = (content: unknown): string =>
  event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
/** The event that ends a choice. */
export const F = (reason: unknown = 'stop'): string =>
  event({ choices: [{ index: 0, delta: {}, finish_reason: reason }] })
export const D = 'data: [DONE]\n\n'
export const event = (json: object): string =>
  `data: ${JSON.stringify({ model: 'm', ...json })}\n\n`
export const HELLO = [C('Hel'), C('lo'), F(), D]
/** A completion as it is without a stream. */
export const whole = (message: object, more: object = { finish_reason: 'stop' }): string =>
  JSON.stringify({
    object: 'chat.completion',
    model: 'm',
    choices: [{ index: 0, message, ...more }],
  })

export const job: Job = {
  id: 'j',
  owner: '',
  queue: 'q',
  messages: [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'Hi' },
  ],
  meta: { temperature: 0.5, tokensLimit: 10, stopWords: ['stop'], model: null },
  priority: null,
  source: 'local',
}

/** What the engine makes of one job, and the pieces it told. */
export async function ask(
  url: string,
  options: Partial<OpenaiOptions> = {},
  signal: AbortSignal = AbortSignal.timeout(10_000),
  of: Job = job,
): Promise<{ outcome: Outcome; deltas: string[] }> {
  const deltas: string[] = []
  const engine = openaiEngine({ url, ...options })
  const outcome = await engine.run(of, signal, (text) => void deltas.push(text))
  return { outcome, deltas }
}

/** What the engine makes of an answer of these pieces. */
export async function answerOf(...given: Parameters<typeof sends>): Promise<Outcome> {
  const { url } = await upstream(sends(...given))
  return (await ask(url)).outcome
}

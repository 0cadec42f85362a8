import { createServer } from 'node:http'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { measure, workOf } from './load.ts'
import {
  askA,
  askB,
  askByDirectReply,
  askByPolling,
  askLikeThePredecessor,
  openLinks,
} from './steps.ts'
import type { Load } from './load.ts'
import type { Ask } from './steps.ts'

/**
 * One way to answer prompts, as a process: over HTTP where PORT is set, else in
 * a loop of its own, which the bench starts by a message.
 */
const { WAY, PORT, QUEUE_NAME, REDIS_PREFIX, RABBIT_MQ_URL } = process.env
const names = { queue: QUEUE_NAME as string, prefix: REDIS_PREFIX as string }

async function askBy(way: string): Promise<Ask> {
  const links = await openLinks(process.env)
  switch (way) {
    case 'A':
      return askA(links, names)
    case 'B':
    case 'C with scripts':
      return askB(links, names)
    case 'direct reply-to':
      return askByDirectReply(links, names)
    case 'poll 10 ms':
      return askByPolling(links, names, 10)
    case 'poll 100 ms':
      return askByPolling(links, names, 100)
    case 'predecessor':
      return askLikeThePredecessor(links, names, RABBIT_MQ_URL as string)
    default:
      throw new Error(`no such way: ${way}`)
  }
}

/** The framework and the answer, and no work between them. */
function bareHono(): void {
  const app = new Hono()
  app.post('/generate', async (c) =>
    c.json({ content: `echo: ${(await c.req.json()).content} in 0` }),
  )
  serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' })
}

/** The least HTTP there is: no framework, no validation, no log. */
function overHttp(ask: Ask): void {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      const { content } = JSON.parse(body) as { content: string }
      void ask(content).then((answer) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ content: answer }))
      })
    })
  })
  server.listen(Number(PORT), '127.0.0.1')
}

if (WAY === 'bare Hono') bareHono()
else {
  const ask = await askBy(WAY as string)
  if (PORT !== undefined) overHttp(ask)
  process.on('message', (load: Load) => {
    const send = async (content: string) => workOf(await ask(content), content)
    void measure(load, send).then((result) => process.send?.(result))
  })
}
process.on('SIGTERM', () => process.exit())
process.send?.('ready')

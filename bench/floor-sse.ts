import { createServer } from 'node:http'
import { createClient } from 'redis'
import type { ServerResponse } from 'node:http'

/**
 * The least program that brings many streams to their readers: one XREAD for
 * all of them, and bare `node:http` that writes what it finds as server-sent
 * events. It knows no job, no end and no resuming.
 */
const { PORT, REDIS_URL, REDIS_PREFIX } = process.env
const redis = await createClient({ url: REDIS_URL as string }).connect()

interface Reader {
  readonly response: ServerResponse
  lastId: string
}

const readers = new Map<string, Reader>()
let onReader = (): void => {}

const server = createServer((request, response) => {
  const id = /^\/jobs\/([^/]+)\/events$/.exec(request.url ?? '')?.[1]
  const key = `{${REDIS_PREFIX}:${id}}:deltas`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('event: status\ndata: {}\n\n')
  readers.set(key, { response, lastId: '0-0' })
  response.once('close', () => readers.delete(key))
  onReader()
})

/** So long that it costs nothing, and short enough that a new reader is not kept waiting. */
const BLOCK_MS = 100

async function readOnce(): Promise<void> {
  const streams = [...readers].map(([key, { lastId }]) => ({ key, id: lastId }))
  const found = (await redis.xRead(streams, { BLOCK: BLOCK_MS })) ?? []
  for (const { name, messages } of found as Found[]) {
    const reader = readers.get(name)
    if (reader === undefined) continue
    reader.lastId = messages.at(-1)?.id ?? reader.lastId
    reader.response.write(messages.map(eventOf).join(''))
  }
}

interface Found {
  readonly name: string
  readonly messages: readonly {
    readonly id: string
    readonly message: { readonly text?: string }
  }[]
}

const eventOf = ({ id, message }: Found['messages'][number]): string =>
  `id: ${id}\nevent: delta\ndata: ${JSON.stringify({ text: message.text })}\n\n`

async function readForEver(): Promise<void> {
  for (;;) {
    if (readers.size > 0) await readOnce()
    else await new Promise<void>((resolve) => (onReader = resolve))
  }
}

void readForEver()
server.listen(Number(PORT), '127.0.0.1', () => process.send?.('ready'))
process.on('SIGTERM', () => process.exit())

import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request of a client, as it went over the wire. */
export interface Try {
  readonly path: string
  readonly body: string
  readonly startedAt: number
  /** Of the answer; undefined until it has begun. */
  status?: number
  retryAfter?: string | undefined
  /** What came so far. */
  text: string
  /** When the client closed its connection before the answer had ended. */
  leftAt?: number
}

export interface Recorder {
  readonly url: string
  readonly tries: Try[]
  close(): void
}

/** Stands between a client and the gateway, passes everything on and writes it down. */
export async function startRecorder(gatewayUrl: string): Promise<Recorder> {
  const tries: Try[] = []
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      const { method = 'GET', url = '/', headers } = incoming
      const one: Try = { path: url, body: body.toString(), startedAt: performance.now(), text: '' }
      tries.push(one)
      const onward = request(new URL(url, gatewayUrl), { method, headers }, (reply) => {
        one.status = reply.statusCode ?? 0
        one.retryAfter = reply.headers['retry-after']
        outgoing.writeHead(one.status, reply.rawHeaders)
        reply.on('data', (chunk: Buffer) => (one.text += chunk.toString()))
        reply.on('error', () => outgoing.destroy())
        reply.pipe(outgoing)
      })
      onward.on('error', () => outgoing.destroy())
      outgoing.on('close', () => {
        if (outgoing.writableFinished) return
        one.leftAt = performance.now()
        onward.destroy()
      })
      onward.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    tries,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

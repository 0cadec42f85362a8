import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { createApp } from './http/app.ts'
import { createParts } from './parts.ts'
import { createMetrics } from './telemetry/metrics.ts'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Config } from './config.ts'
import type { Parts } from './parts.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** Above the idle time of common load balancers, so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 72_000
/** A head or a body that takes longer to arrive is not worth a connection. The wait for an outcome is no part of it. */
const HEAD_WITHIN_MS = 15_000
const REQUEST_WITHIN_MS = 60_000
const CHECK_EVERY_MS = 2_000
/** A client that takes nothing of its answer for so long is given up: it holds the answer in our memory. */
const READ_WITHIN_MS = 30_000
/** For so long a stopping gateway still says so to whoever asks: `/readyz` is 503, every answer closes its connection. */
const FAREWELL_MS = 1_000
/** What closing connections may take once nobody waits any more. */
const CLOSE_DEADLINE_MS = 2_000

export interface RunningServer extends Pick<Parts, 'load'> {
  readonly url: string
  /** Takes nothing new, finishes what is pending for up to `graceMs`, closes everything. */
  close(graceMs: number): Promise<void>
}

/**
 * Listens at once, whether or not the servers behind it are there: then requests
 * are refused at once and `/readyz` says why.
 */
export async function startServer(
  config: Config,
  log: Log,
  metrics: Metrics = createMetrics(),
): Promise<RunningServer> {
  const parts = createParts(config, log, metrics)
  const { gateway, health, load } = parts
  const { queues } = config
  const { maxBodyBytes } = config.http
  const app = createApp({ gateway, queues, maxBodyBytes, health, log, metrics })
  const answer = getRequestListener(app.fetch)
  const unanswered = new Set<ServerResponse>()
  const http = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    (request, response) => {
      unanswered.add(response)
      response.once('close', () => unanswered.delete(response))
      if (gateway.isDraining) response.setHeader('connection', 'close')
      void answer(request, response)
    },
  )
  giveUpSlowReaders(http)
  const url = await listen(http, config.http)
  await parts.open()
  return {
    url,
    load,
    close: async (graceMs) => {
      const drained = gateway.drain(graceMs)
      for (const response of unanswered) {
        if (!response.headersSent) response.setHeader('connection', 'close')
      }
      // A client that has a connection open is told on it, instead of finding it cut in the middle of a request.
      await delay(Math.min(FAREWELL_MS, graceMs))
      const closed = new Promise((resolve) => http.close(resolve))
      http.closeIdleConnections()
      await drained
      // Answers are written in the turn after the drain; then no connection is waited for any longer.
      await new Promise((resolve) => setImmediate(resolve))
      http.closeIdleConnections()
      const force = setTimeout(() => http.closeAllConnections(), CLOSE_DEADLINE_MS)
      await closed
      clearTimeout(force)
      await parts.close()
    },
  }
}

/** The library's own idle timeout ends waiting requests too; this one only those who do not take their answer. */
function giveUpSlowReaders(http: Server): void {
  http.timeout = READ_WITHIN_MS
  http.on('timeout', (socket: Socket) => {
    if (socket.writableLength > 0) socket.destroy()
  })
}

async function listen(
  http: Server,
  { host, port }: { host: string; port: number },
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, resolve)
  })
  const { port: bound } = http.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}

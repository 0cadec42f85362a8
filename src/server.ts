import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Gateway } from './gateway.ts'
import { createApp } from './http/app.ts'
import { Broker } from './rabbitmq/broker.ts'
import { Claims } from './redis/claims.ts'
import { RedisConnection, databaseOf } from './redis/connect.ts'
import { Probe } from './redis/probe.ts'
import { Push } from './redis/push.ts'
import { Results } from './redis/results.ts'
import type { AddressInfo } from 'node:net'
import type { Config } from './config.ts'
import type { PartHealth } from './http/operations.ts'
import type { Log } from './telemetry/log.ts'

/** Above the idle time of common load balancers, so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 72_000
/** What closing the links may take once nobody waits any more. */
const CLOSE_DEADLINE_MS = 2_000

export interface RunningServer {
  readonly url: string
  /** Requests held, and keys subscribed to (one of them the probe's): what must return to 0 and 1. */
  readonly load: () => { readonly pending: number; readonly subscriptions: number }
  /** Takes nothing new, finishes what is pending for up to `graceMs`, closes everything. */
  close(graceMs: number): Promise<void>
}

/**
 * Wires the parts and listens. It listens at once, whether or not the servers
 * behind it are there: then requests are refused at once and `/readyz` says why.
 */
export async function startServer(config: Config, log: Log): Promise<RunningServer> {
  const { dialect } = config
  const data = new RedisConnection(config.redisUrl, 'data', log)
  const subscriber = new RedisConnection(config.redisUrl, 'subscriber', log)
  const push = new Push(subscriber, databaseOf(config.redisUrl), log)
  const { redisPrefix: prefix, notifyConfig } = config
  const probe = new Probe({ push, subscriber, data, prefix, notifyConfig, log })
  const { rabbitUrl: url, queues } = config
  const broker = new Broker({ url, queues, queue: dialect.queue, log })
  const gateway = new Gateway({
    ...config.gateway,
    dialect,
    broker,
    push,
    log,
    claims: new Claims(data.client),
    results: new Results(data.client),
    resultLinks: [data.link, subscriber.link, probe.link],
  })
  const { maxBodyBytes } = config.http
  const health = (): PartHealth[] => partsOf(gateway, broker, data, subscriber, probe)
  const app = createApp({ gateway, queues, maxBodyBytes, health, log })
  const answer = getRequestListener(app.fetch)
  const http = createServer((request, response) => void answer(request, response))
  http.keepAliveTimeout = KEEP_ALIVE_MS

  const address = await listen(http, config.http)
  for (const connection of [data, subscriber]) connection.open()
  probe.open()
  await broker.open()

  return {
    url: address,
    load: () => ({ pending: gateway.pending, subscriptions: push.size }),
    close: async (graceMs) => {
      const closed = new Promise((resolve) => http.close(resolve))
      http.closeIdleConnections()
      await gateway.drain(graceMs)
      // Answers are written in the turn after the drain; then no connection is waited for any longer.
      await new Promise((resolve) => setImmediate(resolve))
      http.closeIdleConnections()
      const force = setTimeout(() => http.closeAllConnections(), CLOSE_DEADLINE_MS)
      await closed
      clearTimeout(force)
      await probe.close()
      await broker.close(CLOSE_DEADLINE_MS)
      for (const connection of [subscriber, data]) connection.close()
    },
  }
}

async function listen(
  http: ReturnType<typeof createServer>,
  { host, port }: { host: string; port: number },
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, resolve)
  })
  const { port: bound } = http.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}

function partsOf(
  gateway: Gateway,
  broker: Broker,
  data: RedisConnection,
  subscriber: RedisConnection,
  probe: Probe,
): PartHealth[] {
  const redisReady = data.link.ready && subscriber.link.ready
  return [
    { name: 'broker', ready: broker.isReady, detail: broker.describe() },
    { name: 'redis', ready: redisReady, detail: data.link.reason || subscriber.link.reason },
    { name: 'push', ready: redisReady && probe.link.ready, detail: probe.describe() },
    {
      name: 'gateway',
      ready: !gateway.isDraining,
      detail: `${gateway.isDraining ? 'stopping, ' : ''}${gateway.pending} requests pending`,
    },
  ]
}

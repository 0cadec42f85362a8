import { deadLetterHandler } from './gateway/dead-letter.ts'
import { Gateway } from './gateway/gateway.ts'
import { Jobs } from './gateway/jobs.ts'
import { Broker } from './rabbitmq/broker.ts'
import { Claims } from './redis/claims.ts'
import { Deltas } from './redis/deltas.ts'
import { RedisConnection, databaseOf } from './redis/connection.ts'
import { Probe } from './redis/probe.ts'
import { Push } from './redis/push.ts'
import { Results } from './redis/results.ts'
import { Sweep, sweepEntry } from './redis/sweep.ts'
import { watchGauges } from './telemetry/metrics.ts'
import type { Config } from './config.ts'
import type { RunOf } from './dialect.ts'
import type { PartHealth } from './http/operations.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** What closing the link to the broker may take once nobody waits any more. */
const CLOSE_DEADLINE_MS = 2_000

export interface Parts {
  readonly gateway: Gateway
  readonly jobs: Jobs
  readonly health: () => PartHealth[]
  /** Requests held, and keys subscribed to (one of them the probe's): what must return to 0 and 1. */
  readonly load: () => { readonly pending: number; readonly subscriptions: number }
  /** Begins to connect; resolves at once, whether or not the servers are there. */
  open(): Promise<void>
  /** In reverse order. Nobody may be waiting any more. */
  close(): Promise<void>
}

/** Makes the gateway and all it stands on, and ties them together. */
export function createParts(config: Config, log: Log, metrics: Metrics): Parts {
  const { dialect, redisUrl, redisPrefix: prefix, notifyConfig } = config
  const data = new RedisConnection(redisUrl, 'data', log)
  const subscriber = new RedisConnection(redisUrl, 'subscriber', log)
  const push = new Push(subscriber, databaseOf(redisUrl), log)
  const probe = new Probe({ push, subscriber, data, prefix, notifyConfig, log, metrics })
  const sweep = new Sweep({ ...config.gateway, connection: data, dialect, prefix, log, metrics })
  const claims = new Claims(data.client, prefix, dialect)
  const { rabbitUrl: url, queues, queueOptions, hasDeadQueue } = config
  const onDeadLetter = hasDeadQueue
    ? deadLetterHandler({ ...config.gateway, dialect, claims, log, metrics })
    : undefined
  const broker = new Broker({ url, queues, queueOptions, onDeadLetter, log, metrics })
  const results = new Results(data.client, prefix, dialect)
  const deltas = new Deltas(data.client)
  const shared = {
    ...config.gateway,
    dialect,
    announceCancel: (of: RunOf) => {
      if (dialect.encodeCancel !== undefined) broker.broadcast(dialect.encodeCancel(of))
    },
    push,
    claims,
    results,
    resultLinks: [data.link, subscriber.link, probe.link],
    log,
  }
  const jobs = new Jobs({ ...shared, deltas })
  const gateway = new Gateway({ ...shared, broker, sweepEntry, metrics })
  watchGauges(metrics, {
    pending: () => gateway.pending + jobs.pending,
    subscriptions: () => push.size,
    brokerConnected: () => broker.isConnected,
    brokerBlocked: () => broker.isBlocked,
    redis: { data: () => data.link.ready, subscriber: () => subscriber.link.ready },
    push: { keyspace: () => probe.link.ready },
    queues: () => broker.queues,
  })
  return {
    gateway,
    jobs,
    health: () => healthOf(gateway, broker, data, subscriber, probe),
    load: () => ({ pending: gateway.pending + jobs.pending, subscriptions: push.size }),
    open: async () => {
      for (const connection of [data, subscriber]) connection.open()
      probe.open()
      sweep.open()
      await broker.open()
    },
    close: async () => {
      await sweep.close()
      await probe.close()
      await broker.close(CLOSE_DEADLINE_MS)
      for (const connection of [subscriber, data]) connection.close()
    },
  }
}

function healthOf(
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

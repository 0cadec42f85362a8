import { GatewayError } from './errors.ts'
import { deadLetterHandler } from './gateway/dead-letter.ts'
import { Gateway } from './gateway/gateway.ts'
import { ModelDirectory } from './gateway/model-directory.ts'
import { CLAIM_GRACE_MS } from './gateway/job-state.ts'
import { OWNER } from './job.ts'
import { Broker } from './rabbitmq/broker.ts'
import { BackgroundJobs } from './redis/background-jobs.ts'
import { Deltas } from './redis/deltas.ts'
import { RedisConnection, databaseOf } from './redis/connection.ts'
import { Probe } from './redis/probe.ts'
import { Push } from './redis/push.ts'
import { JobRecords } from './redis/record/job-records.ts'
import { KeptRequests } from './redis/record/kept-requests.ts'
import { Sweep } from './redis/sweep.ts'
import { KEPT_MS, UnansweredJobs } from './redis/unanswered-jobs.ts'
import { UnansweredNames } from './redis/unanswered-names.ts'
import { Workers } from './redis/workers.ts'
import { watchGauges } from './telemetry/metrics.ts'
import type { Config } from './config.ts'
import type { RunOf } from './dialect.ts'
import type { PartHealth } from './http/operations.ts'
import type { JobView } from './job.ts'
import type { Models } from './models.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** How long closing the link to the broker may take when no request waits any more. */
const CLOSE_DEADLINE_MS = 2_000

export interface Parts {
  readonly gateway: Gateway
  readonly models: Models
  readonly unanswered: UnansweredJobs
  readonly background: BackgroundJobs
  readonly health: () => PartHealth[]
  /** Requests held, and keys subscribed to (one of them the probe's): what must return to 0 and 1. */
  readonly load: () => { readonly pending: number; readonly subscriptions: number }
  /** Begins to connect; resolves at once, whether or not the servers are there. */
  open(): Promise<void>
  /** Closes in reverse order. No request may be waiting any more. */
  close(): Promise<void>
}

/** Makes the gateway and everything it works with. */
export function createParts(config: Config, log: Log, metrics: Metrics): Parts {
  const { dialect, redisUrl, redisPrefix: prefix, notifyConfig } = config
  const data = new RedisConnection(redisUrl, 'data', log)
  const subscriber = new RedisConnection(redisUrl, 'subscriber', log)
  const push = new Push(subscriber, databaseOf(redisUrl), log)
  const records = new JobRecords(data.client, { dialect, ...config.gateway })
  const probe = new Probe({ push, subscriber, data, records, prefix, notifyConfig, log, metrics })
  const sweep = new Sweep({
    ...config.gateway,
    connection: data,
    records,
    dialect,
    prefix,
    log,
    metrics,
    graceMs: CLAIM_GRACE_MS,
  })
  const { rabbitUrl: url, queues, queueOptions, hasDeadQueue } = config
  const publish: Broker['publish'] = (publication) => broker.publish(publication)
  const onDeadLetter = hasDeadQueue
    ? deadLetterHandler({ dialect, records, publish, log, metrics })
    : undefined
  const broker: Broker = new Broker({ url, queues, queueOptions, onDeadLetter, log, metrics })
  const directory = directoryOf(config, broker, log)
  const workers = new Workers({ subscriber, data, prefix, directory, log })
  const gateway = gatewayOf(config, {
    data,
    subscriber,
    probe,
    push,
    records,
    broker,
    log,
    metrics,
  })
  const links = { data, subscriber, probe, directory, workers }
  gauge(metrics, gateway, broker, push, links)
  return {
    gateway,
    models: directory,
    unanswered: unansweredJobs(prefix, data, subscriber, log),
    background: backgroundJobs(config, data, gateway),
    health: () => healthOf(gateway, broker, links),
    load: () => ({ pending: gateway.pending, subscriptions: push.size }),
    open: async () => {
      for (const connection of [data, subscriber]) connection.open()
      for (const part of [probe, sweep, workers]) part.open()
      await broker.open()
    },
    close: async () => {
      for (const part of [sweep, workers, probe]) await part.close()
      await broker.close(CLOSE_DEADLINE_MS)
      for (const connection of [subscriber, data]) connection.close()
    },
  }
}

interface GatewayNeeds extends Pick<Links, 'data' | 'subscriber' | 'probe'> {
  readonly push: Push
  readonly records: JobRecords
  readonly broker: Broker
  readonly log: Log
  readonly metrics: Metrics
}

function gatewayOf({ dialect, gateway }: Config, needs: GatewayNeeds): Gateway {
  const { data, subscriber, probe, broker, ...parts } = needs
  return new Gateway({
    ...gateway,
    ...parts,
    dialect,
    broker,
    kept: new KeptRequests(data.client),
    deltas: new Deltas(data.client),
    announceCancel: (of: RunOf) => {
      if (dialect.encodeCancel !== undefined) broker.broadcast(dialect.encodeCancel(of))
    },
    resultLinks: [data.link, subscriber.link, probe.link],
  })
}

/** They need no opening: the names are read when the connections are there. */
function unansweredJobs(
  prefix: string,
  data: RedisConnection,
  subscriber: RedisConnection,
  log: Log,
): UnansweredJobs {
  const names = new UnansweredNames({ subscriber, data, prefix, lifeMs: KEPT_MS, log })
  return new UnansweredJobs({ connection: data, names, prefix, log })
}

/** Their ids are the clients' own, which is enough while there is one owner. */
function backgroundJobs(
  { redisPrefix: prefix, maxBackground: most }: Config,
  connection: RedisConnection,
  gateway: Gateway,
): BackgroundJobs {
  const view = (id: string): Promise<JobView | undefined> =>
    gateway.view({ id, owner: OWNER }).catch((error: unknown) => {
      if (error instanceof GatewayError && error.code === 'not_found') return undefined
      throw error
    })
  return new BackgroundJobs({ connection, prefix, most, view })
}

function directoryOf(config: Config, broker: Broker, log: Log): ModelDirectory {
  const { queues, dialect, models: settings } = config
  const consumersOf = (queue: string): number | undefined => broker.workersOf(queue)
  return new ModelDirectory({ queues, dialect, settings, consumersOf, log })
}

interface Links {
  readonly data: RedisConnection
  readonly subscriber: RedisConnection
  readonly probe: Probe
  readonly directory: ModelDirectory
  readonly workers: Workers
}

function gauge(
  metrics: Metrics,
  gateway: Gateway,
  broker: Broker,
  push: Push,
  { data, subscriber, probe, directory }: Links,
): void {
  watchGauges(metrics, {
    pending: () => gateway.pending,
    subscriptions: () => push.size,
    brokerConnected: () => broker.isConnected,
    brokerBlocked: () => broker.isBlocked,
    redis: { data: () => data.link.ready, subscriber: () => subscriber.link.ready },
    push: { keyspace: () => probe.link.ready },
    queues: () => broker.queues,
    announced: () => directory.queues(),
  })
}

function healthOf(
  gateway: Gateway,
  broker: Broker,
  { data, subscriber, probe, directory, workers }: Links,
): PartHealth[] {
  const redisReady = data.link.ready && subscriber.link.ready
  return [
    {
      name: 'broker',
      ready: broker.isReady,
      detail: broker.describe(),
      queues: broker.isConnected ? broker.queues : [],
    },
    { name: 'redis', ready: redisReady, detail: data.link.reason || subscriber.link.reason },
    { name: 'push', ready: redisReady && probe.link.ready, detail: probe.describe() },
    // Never against taking jobs: workers that do not announce themselves need none of it.
    {
      name: 'workers',
      ready: true,
      detail: workers.problem || directory.describe(),
      announced: directory.queues(),
    },
    {
      name: 'gateway',
      ready: !gateway.isDraining,
      detail: `${gateway.isDraining ? 'stopping, ' : ''}${gateway.pending} requests pending`,
    },
  ]
}

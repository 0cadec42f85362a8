import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Up to the five minutes a request is held by default. */
const JOB_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
/** Of one step on a link: 0.2 ms on loopback, the confirm's deadline at the other end. */
const LINK_BUCKETS = [0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]

/** What is looked at when the metrics are read, and not counted as it happens. */
export interface Gauges {
  readonly pending: () => number
  readonly subscriptions: () => number
  readonly brokerConnected: () => boolean
  readonly brokerBlocked: () => boolean
  /** By the connection's role. */
  readonly redis: Readonly<Record<string, () => boolean>>
  /** By the mode: how a write wakes us. */
  readonly push: Readonly<Record<string, () => boolean>>
  /** As the broker was seen last; the names are those of the settings. */
  readonly queues: () => readonly { queue: string; workers: number; waiting: number }[]
  /** Of every queue, as its workers have announced themselves. */
  readonly announced: () => readonly {
    queue: string
    workers: number
    running: number
    concurrency: number
  }[]
}

export type Metrics = ReturnType<typeof createMetrics>

/**
 * Every metric there is, in a registry of its own, in seconds and counts. No
 * label carries an id, a key or what a user wrote: each has a few values known
 * beforehand.
 */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: `gateway_${name}`, help, labelNames, registers })
  const histogram = <L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: L[] = [],
  ) => new Histogram({ name: `gateway_${name}`, help, buckets, labelNames, registers })
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name: `gateway_${name}`, help, labelNames, registers })

  return {
    registry,
    httpRequests: counter('http_requests_total', 'Answered requests', ['route', 'method', 'code']),
    httpSeconds: histogram('http_request_duration_seconds', 'From head to answer', JOB_BUCKETS, [
      'route',
    ]),
    /** An outcome's kind or an error's code, once for all who waited here for the same job. */
    jobs: counter('jobs_total', 'Jobs by how they ended here, refused ones by their code', [
      'dialect',
      'mode',
      'outcome',
    ]),
    jobSeconds: histogram('job_duration_seconds', 'From request to outcome', JOB_BUCKETS, ['mode']),
    publishes: counter(
      'publish_total',
      'Messages by what became of them: confirmed, late (no confirm in time), lost (link gone before it), returned (no such queue), refused (queue full), too_large, not_sent',
      ['result'],
    ),
    confirmSeconds: histogram('publish_confirm_seconds', 'Publish to confirm', LINK_BUCKETS),
    probeSeconds: gauge('push_probe_seconds', 'Last round trip of the probe: write to event'),
    wakeups: counter(
      'result_wakeups_total',
      'Outcomes by what led to the read. reconcile and deadline above about 0: events are being lost',
      ['source'],
    ),
    /** One for each outcome, where the worker writes once and nothing is lost. */
    reads: counter('result_reads_total', 'Reads of the keys of jobs that wait here', ['source']),
    resultsLost: counter('results_lost_total', 'Results that were announced or read, and are gone'),
    notifySeconds: histogram('notify_to_read_seconds', 'Event to decoded outcome', LINK_BUCKETS),
    claims: counter('claims_total', 'What claims were found or turned into', ['result']),
    rejected: counter('rejected_total', 'Jobs not accepted, or perhaps not', ['reason']),
    swept: counter('swept_total', 'Results given their time to live by the sweep'),
    deadLetters: counter('dead_letters_total', 'Messages the broker gave up', ['reason']),
  }
}

/** Called once, when the parts stand. */
export function watchGauges({ registry }: Pick<Metrics, 'registry'>, gauges: Gauges): void {
  const registers = [registry]
  const look = (name: string, help: string, value: () => number | boolean) =>
    new Gauge({
      name: `gateway_${name}`,
      help,
      registers,
      collect() {
        this.set(Number(value()))
      },
    })
  look('jobs_pending', 'Requests held', gauges.pending)
  look('subscriptions', 'Keys subscribed to, the probe’s too', gauges.subscriptions)
  look('broker_connected', 'The broker is connected', gauges.brokerConnected)
  look('broker_blocked', 'An alarm of the broker is on', gauges.brokerBlocked)
  watchLabelled(registry, 'redis_connected', 'Redis is connected', 'role', gauges.redis)
  watchLabelled(registry, 'push_ready', 'Writes are known to reach us', 'mode', gauges.push)
  watchQueues(registry, 'queue_workers', 'Workers that take jobs from the queue', () =>
    gauges.queues().map(({ queue, workers: value }) => ({ queue, value })),
  )
  watchQueues(registry, 'queue_waiting', 'Jobs that no worker holds yet', () =>
    gauges.queues().map(({ queue, waiting: value }) => ({ queue, value })),
  )
  watchQueues(registry, 'announced_workers', 'Workers that have announced themselves', () =>
    gauges.announced().map(({ queue, workers: value }) => ({ queue, value })),
  )
  watchQueues(registry, 'announced_running', 'Jobs that these workers run', () =>
    gauges.announced().map(({ queue, running: value }) => ({ queue, value })),
  )
  watchQueues(registry, 'announced_concurrency', 'Jobs that they can run at a time', () =>
    gauges.announced().map(({ queue, concurrency: value }) => ({ queue, value })),
  )
}

function watchQueues(
  registry: Registry,
  name: string,
  help: string,
  values: () => readonly { queue: string; value: number }[],
): void {
  const collect = function (this: Gauge<string>): void {
    for (const { queue, value } of values()) this.set({ queue }, value)
  }
  new Gauge({
    name: `gateway_${name}`,
    help,
    labelNames: ['queue'],
    registers: [registry],
    collect,
  })
}

/** A gauge whose label has these values, each looked up when the metrics are read. */
function watchLabelled(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  values: Readonly<Record<string, () => boolean>>,
): void {
  const collect = function (this: Gauge<string>): void {
    for (const [value, isTrue] of Object.entries(values)) {
      this.set({ [label]: value }, Number(isTrue()))
    }
  }
  new Gauge({ name: `gateway_${name}`, help, labelNames: [label], registers: [registry], collect })
}

import type { Dialect, RunOf } from '../dialect.ts'
import type { Link } from '../link.ts'
import type { Broker } from '../rabbitmq/broker.ts'
import type { Deltas } from '../redis/deltas.ts'
import type { Push } from '../redis/push.ts'
import type { JobRecords } from '../redis/record/job-records.ts'
import type { KeptRequests } from '../redis/record/kept-requests.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** All that the gateway works with. It is made once, and each step names what it takes of it. */
export interface GatewayParts {
  readonly dialect: Dialect
  readonly records: Pick<JobRecords, keyof JobRecords>
  readonly kept: Pick<KeptRequests, keyof KeptRequests>
  readonly deltas: Pick<Deltas, 'after' | 'isTrimmed'>
  readonly push: Pick<Push, 'watch'>
  readonly broker: Pick<Broker, 'publish' | 'link' | 'isBlocked' | 'workersOf' | 'hasWorkers'>
  /** Tells the workers that a run is cancelled, where their kind has a way of its own. */
  readonly announceCancel: (of: RunOf) => void
  /** All that must be ready for a result to reach us. */
  readonly resultLinks: readonly Link[]
  /** How long a request is held. */
  readonly timeoutMs: number
  /** How long a job may wait and run. */
  readonly jobTtlMs: number
  /** How long an outcome can be fetched. */
  readonly resultTtlMs: number
  /** How long a job waits for its client to come back by the same id, before it is cancelled. */
  readonly leaveGraceMs: number
  /** A job for a queue from which no worker takes jobs is refused. */
  readonly requireWorkers: boolean
  /** Requests held at once, by whichever route they came. */
  readonly maxPending: number
  readonly log: Log
  readonly metrics: Metrics
}

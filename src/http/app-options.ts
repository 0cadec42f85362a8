import type { Gateway } from '../gateway/gateway.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { PartHealth } from './operations.ts'

/** Everything the app needs. Each surface picks its share. */
export interface AppOptions {
  readonly gateway: Pick<
    Gateway,
    'run' | 'submit' | 'stream' | 'view' | 'hold' | 'follow' | 'cancel'
  >
  /** The queues a request may name. A request that names none gets the first. */
  readonly queues: readonly [string, ...string[]]
  /** Whether the workers may take fields of `meta` that we do not know. */
  readonly carriesMeta: boolean
  readonly maxBodyBytes: number
  readonly limits: { readonly timeoutMs: number; readonly jobTtlMs: number }
  readonly health: () => readonly PartHealth[]
  readonly metrics: Metrics
  readonly log: Log
}

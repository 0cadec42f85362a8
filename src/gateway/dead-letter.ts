import { WireFormatError } from '../errors.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Dialect } from '../dialect.ts'
import type { Outcome } from '../job.ts'
import type { DeadLetter, OnDeadLetter } from '../rabbitmq/dead-letters.ts'
import type { JobRecords } from '../redis/record/job-records.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

export interface DeadLetterOptions {
  readonly dialect: Pick<Dialect, 'decodeJob' | 'encodeOutcome'>
  readonly records: Pick<JobRecords, 'answer' | 'keysOf' | 'canNeverSucceed'>
  readonly log: Log
  readonly metrics: Pick<Metrics, 'deadLetters'>
}

/** Reasons with a name in the metrics. */
const REASONS = new Set(['delivery_limit', 'rejected', 'expired', 'maxlen'])

/**
 * Ends a job that the broker has given up, by writing its outcome as a worker
 * would. That write wakes all who wait for it, on any replica.
 */
export function deadLetterHandler(options: DeadLetterOptions): OnDeadLetter {
  const { dialect, records, log, metrics } = options
  return async ({ queue, delivery, run, reason }: DeadLetter) => {
    metrics.deadLetters.inc({ reason: REASONS.has(reason) ? reason : 'other' })
    const outcome = outcomeOf(reason)
    if (outcome === undefined) return
    try {
      const { job, wireId } = dialect.decodeJob(delivery, queue)
      const of = { wireId, run: run === '' ? undefined : run, now: new Date() }
      const values = dialect.encodeOutcome(outcome, of)
      const keys = records.keysOf(wireId)
      const written = await records.answer({ keys, run }, outcome.kind, values, true)
      log.warn({ job: job.id, reason, written }, 'job.given_up')
    } catch (error) {
      // Not one of our messages, or a record that no repetition makes readable. All else is tried again.
      if (!(error instanceof WireFormatError) && !records.canNeverSucceed(error)) throw error
      log.warn({ queue, reason, ...errorFields(error) }, 'dead_letter.unreadable')
    }
  }
}

/** Undefined for a job that has expired: requests that wait for it end by their own clocks. */
function outcomeOf(reason: string): Outcome | undefined {
  if (reason === 'expired') return undefined
  const message =
    reason === 'rejected'
      ? 'a worker refused the job'
      : 'the job was given to workers too often, and none of them finished it'
  return { kind: 'failed', type: reason, message }
}

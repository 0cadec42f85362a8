import { WireFormatError } from '../errors.ts'
import type { Dialect } from '../dialect.ts'
import type { Outcome } from '../job.ts'
import type { DeadLetter, OnDeadLetter } from '../rabbitmq/dead-letters.ts'
import type { Claims } from '../redis/claims.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

export interface DeadLetterOptions {
  readonly dialect: Pick<Dialect, 'decodeJob' | 'encodeOutcome' | 'resultKeys'>
  readonly claims: Pick<Claims, 'answer'>
  readonly resultTtlMs: number
  readonly log: Log
  readonly metrics: Pick<Metrics, 'deadLetters'>
}

/** Reasons with a name in the metrics. */
const REASONS = new Set(['delivery_limit', 'rejected', 'expired', 'maxlen'])

/**
 * Ends a job that the broker has given up, by writing its outcome as a worker
 * would: whoever waits for it is woken by that write, on any replica.
 */
export function deadLetterHandler(options: DeadLetterOptions): OnDeadLetter {
  const { dialect, claims, resultTtlMs: ttlMs, log, metrics } = options
  return async ({ queue, delivery, run, reason }: DeadLetter) => {
    metrics.deadLetters.inc({ reason: REASONS.has(reason) ? reason : 'other' })
    const outcome = outcomeOf(reason)
    if (outcome === undefined) return
    try {
      const { job, wireId } = dialect.decodeJob(delivery, queue)
      const of = { wireId, run: run === '' ? undefined : run, now: new Date() }
      const values = dialect.encodeOutcome(outcome, of)
      const written = await claims.answer(dialect.resultKeys(wireId), { run, values, ttlMs })
      log.warn({ job: job.id, reason, written }, 'job.given_up')
    } catch (error) {
      // Not one of ours: nobody waits for it.
      if (!(error instanceof WireFormatError)) throw error
      log.warn({ queue, reason }, 'dead_letter.unreadable')
    }
  }
}

/** Whoever waits for an expired job is told by its own clock. */
function outcomeOf(reason: string): Outcome | undefined {
  if (reason === 'expired') return undefined
  const message =
    reason === 'rejected'
      ? 'a worker refused the job'
      : 'the job was given to workers too often, and none of them finished it'
  return { kind: 'failed', type: reason, message }
}

import { WireFormatError } from '../errors.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Delivery, Dialect } from '../dialect.ts'
import type { Outcome } from '../job.ts'
import type { Broker } from '../rabbitmq/broker.ts'
import type { DeadLetter, OnDeadLetter } from '../rabbitmq/dead-letters.ts'
import type { JobRecords } from '../redis/record/job-records.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

export interface DeadLetterOptions {
  readonly dialect: Pick<Dialect, 'decodeJob' | 'encodeOutcome'>
  readonly records: Pick<JobRecords, 'answer' | 'keysOf' | 'canNeverSucceed' | 'returned'>
  readonly publish: Broker['publish']
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
      if (reason === 'delivery_limit' && run !== '') {
        if (await publishReturned(options, { queue, delivery, wireId, run })) return
      }
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

interface Returned {
  readonly queue: string
  readonly delivery: Delivery
  readonly wireId: string
  readonly run: string
}

/**
 * Gives a job its deliveries again if some of them ended with the orderly stop of a worker: the
 * broker counts each of these like a crash. Resolves with whether it did.
 */
async function publishReturned(
  { records, publish, log }: DeadLetterOptions,
  { queue, delivery, wireId, run }: Returned,
): Promise<boolean> {
  const job = { keys: records.keysOf(wireId), run }
  const expirationMs = await records.returned(job)
  if (expirationMs === 0) return false
  const again = asPublished(delivery, run)
  const answer = await publish({ queue, delivery: again, messageId: wireId, run, expirationMs })
  // The broker brings the dead letter again.
  if (answer === 'lost') throw new Error('the confirm was lost')
  await records.returned(job, true)
  log.info({ job: wireId }, 'job.published_again')
  return true
}

/** Without what the broker has added, and with the run where the broker adapter puts it. */
function asPublished({ correlationId, headers = {}, ...rest }: Delivery, run: string): Delivery {
  const ours = Object.entries(headers).filter(([name]) => !/^x-(.*death|delivery-count)/.test(name))
  const isRun = correlationId === undefined || correlationId === run
  return {
    ...rest,
    ...(!isRun && { correlationId }),
    headers: Object.fromEntries(ours),
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

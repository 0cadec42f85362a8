import { WireFormatError } from '../errors.ts'
import type { Dialect, Standing } from '../dialect.ts'
import type { JobView, Outcome } from '../job.ts'
import type { StoredJob } from '../redis/results.ts'

/** A job as its claim and its result tell it. */
export function viewOf(id: string, stored: StoredJob, standing: Standing): JobView {
  const { state, lifeMs, createdAt, finishedAt } = stored
  const found = typeof standing === 'object' ? standing.outcome : undefined
  const outcome = state === 'cancelled' ? ({ kind: 'cancelled' } as const) : found
  if (outcome !== undefined) return { id, status: outcome.kind, createdAt, finishedAt, outcome }
  // Read once, and gone before its time.
  const wasRead = state === 'done'
  const open = lifeMs <= 0 ? 'expired' : standing === 'running' ? standing : 'queued'
  const status = wasRead ? kindOf(stored.outcome) : open
  const ended = status === 'expired' ? ({ kind: 'expired' } as const) : null
  return { id, status, createdAt, finishedAt, outcome: ended }
}

/** What stands there, unless it is another run's. Nobody can read it: an end as well. */
export function standingOf(stored: StoredJob, dialect: Pick<Dialect, 'decodeResult'>): Standing {
  try {
    return dialect.decodeResult(stored.values)
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error
    return { outcome: { kind: 'failed', type: 'bad_result', message: error.message } }
  }
}

/** Marked as read before anybody had said what it was: a success, or it would have been said. */
const kindOf = (recorded: string | null): Outcome['kind'] =>
  recorded === 'failed' || recorded === 'cancelled' || recorded === 'expired'
    ? recorded
    : 'succeeded'

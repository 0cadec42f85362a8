import { GatewayError, WireFormatError, notCancelled, notFound } from '../errors.ts'
import { hasEnded, isResponse, wireId } from '../job.ts'
import { errorFields } from '../telemetry/log.ts'
import { cancelRun } from './cancel.ts'
import { CLAIM_GRACE_MS } from './job-state.ts'
import type { Dialect, Standing } from '../dialect.ts'
import type { Job, JobView, Outcome } from '../job.ts'
import type { JobKeys } from '../redis/record/record.ts'
import type { StoredJob } from '../redis/record/stored-job.ts'
import type { GatewayParts } from './gateway-parts.ts'

/** Whose job, by the client's own id. */
export type JobName = Pick<Job, 'id' | 'owner'>

/** A job as it was seen, and when it should be looked at again though no event came, on the monotonic clock in ms. */
export interface Seen {
  readonly view: JobView
  readonly run: string
  readonly dueAt: number
}

/** A result that may be an earlier run's is looked at again after this delay. */
export const LOOK_AGAIN_MS = 100

type ViewParts = Pick<GatewayParts, 'dialect' | 'records' | 'announceCancel' | 'log' | 'metrics'>

/**
 * Looks at a job by its id, as any replica can. Rejects with `not_found`, also for another owner's
 * job: another status would reveal that it exists.
 */
export async function lookAtJob(parts: ViewParts, name: JobName): Promise<Seen> {
  const { records, dialect } = parts
  const keys = records.keysOf(wireId(name))
  const stored = await records.view(keys)
  if (stored === undefined || stored.record.owner !== name.owner) throw notFound()
  const { record, remainingMs, isSure } = stored
  const isOver = record.outcome === 'expired' && isResponse(name)
  const found = isOver
    ? { run: record.run, outcome: { kind: 'expired' as const } }
    : standingOf(stored, dialect)
  const isEnd = typeof found === 'object'
  const isForeign = isEnd && found.run !== undefined && found.run !== record.run
  const isUnsure = isEnd && found.run === undefined && !isSure
  const standing = isForeign || isUnsure ? 'queued' : found
  if (isForeign) await dropForeign(parts, keys, stored, found.run)
  const finishedAt =
    typeof standing === 'object' ? await settle(parts, keys, stored, standing.outcome.kind) : null
  const view = viewOf(name.id, stored, standing, finishedAt)
  if (view.status === 'expired' && isResponse(name) && !isOver) {
    // The first who sees it writes it down. Then the next look finds it, or what came before.
    await expireRun(parts, { keys, wireId: wireId(name), run: record.run })
    return lookAtJob(parts, name)
  }
  const age = record.life - remainingMs - record.keep
  const lookAgainIn = isUnsure && age < CLAIM_GRACE_MS ? LOOK_AGAIN_MS : Infinity
  const endsIn = hasEnded(view) ? Infinity : remainingMs + 1
  return { view, run: record.run, dueAt: performance.now() + Math.min(lookAgainIn, endsIn) }
}

/** Ends a job, although requests wait for it. If it has ended before, that end stays. Resolves with the job as it is then. */
export async function cancelJob(parts: ViewParts, name: JobName): Promise<JobView> {
  const keys = parts.records.keysOf(wireId(name))
  for (;;) {
    const { view, run } = await lookAtJob(parts, name)
    if (hasEnded(view)) return view
    // It may end or move to another run meanwhile: the next look says which.
    await cancelRun(parts, { keys, jobId: name.id, wireId: wireId(name), run }).catch(
      (cause: unknown) => {
        throw cause instanceof GatewayError ? cause : notCancelled(cause)
      },
    )
  }
}

/** Writes down that the life of a run is over. Where it has ended meanwhile, that end stays. */
export async function expireRun(
  { dialect, records }: Pick<ViewParts, 'dialect' | 'records'>,
  {
    keys,
    wireId: id,
    run,
  }: { readonly keys: JobKeys; readonly wireId: string; readonly run: string },
): Promise<void> {
  const of = { wireId: id, run, now: new Date() }
  await records.expire(keys, run, dialect.encodeOutcome({ kind: 'expired' }, of))
}

/** A job as its record and its result say. `finishedAt` where a mark was just written. */
export function viewOf(
  id: string,
  { record, remainingMs, wasInFlight, hasDeltas }: StoredJob,
  standing: Standing,
  finishedAt: number | null = null,
): JobView {
  const { state, created: createdAt, finished } = record
  const times = { createdAt, finishedAt: finished ?? finishedAt }
  const found = typeof standing === 'object' ? standing.outcome : undefined
  const outcome = state === 'cancelled' ? ({ kind: 'cancelled' } as const) : found
  if (outcome !== undefined) return { id, status: outcome.kind, ...times, outcome }
  // It was read, and its result is gone before its time.
  if (!wasInFlight) return { id, status: kindOf(record.outcome), ...times, outcome: null }
  const open = { id, createdAt, finishedAt: null, outcome: null }
  if (remainingMs <= 0) return { ...open, status: 'expired', outcome: { kind: 'expired' } }
  return { ...open, status: standing === 'running' || hasDeltas ? 'running' : 'queued' }
}

/** What exists at the result keys. A value that no reader can read is an end as well. */
function standingOf({ values }: StoredJob, dialect: Pick<Dialect, 'decodeResult'>): Standing {
  try {
    return dialect.decodeResult(values)
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error
    return { outcome: { kind: 'failed', type: 'bad_result', message: error.message } }
  }
}

/** The script marks a job as read without knowing how it ended. If not by success, that is written down. */
async function settle(
  { records, log }: ViewParts,
  keys: JobKeys,
  { record }: StoredJob,
  kind: Outcome['kind'],
): Promise<number | null> {
  const { run, state, outcome, finished = null } = record
  const isMarked = outcome === kind || (outcome === 'read' && kind === 'succeeded')
  if (state === 'cancelled' || isMarked) return finished
  return records.finish(keys, run, kind).catch((error: unknown) => {
    log.warn(errorFields(error), 'job.settle_failed')
    return null
  })
}

async function dropForeign(
  { records, log }: ViewParts,
  keys: JobKeys,
  { values, wasInFlight }: StoredJob,
  run: string | undefined,
): Promise<void> {
  await records
    .dropForeign(keys, run ?? '', values[0] ?? '', wasInFlight)
    .catch((error: unknown) => log.warn(errorFields(error), 'job.settle_failed'))
}

/** A job that a script marked as read is a success, or its kind would have been written down. */
const kindOf = (recorded: string | undefined): Outcome['kind'] =>
  recorded === 'failed' || recorded === 'cancelled' || recorded === 'expired'
    ? recorded
    : 'succeeded'

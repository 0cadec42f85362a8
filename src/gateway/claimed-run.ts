import { hash, randomUUID } from 'node:crypto'
import {
  GatewayError,
  WireFormatError,
  acceptanceUnknown,
  jobConflict,
  jobExpired,
} from '../errors.ts'
import { hasEnded, isDerivedId, isResponse } from '../job.ts'
import { errorFields } from '../telemetry/log.ts'
import { cancelRun } from './cancel.ts'
import { insist } from './insist.ts'
import { CLAIM_GRACE_MS } from './job-state.ts'
import { expireRun, lookAtJob } from './job-view.ts'
import type { Standing } from '../dialect.ts'
import type { Job } from '../job.ts'
import type { HintSource } from '../redis/push.ts'
import type { JobKeys } from '../redis/record/record.ts'
import type { Claim } from '../redis/record/claim.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { Outcomes } from './waiters.ts'

type ClaimParts = Pick<
  GatewayParts,
  'dialect' | 'records' | 'announceCancel' | 'jobTtlMs' | 'resultTtlMs' | 'log' | 'metrics'
>

/** Who claims which id. */
export interface Claimant {
  readonly job: Job
  readonly keys: JobKeys
  readonly wireId: string
  readonly fingerprint: string
  /** Names the pending job among all processes. */
  readonly asker: string
}

/** A claim, and what this process knows of it. Times are on the monotonic clock in ms. */
export interface Held extends Claim {
  /** When its reply was here. */
  readonly at: number
  /** When the record last heard that clients wait here. */
  readonly renewedAt: number
  /** The record says that no client's leaving cancels the job. */
  readonly isKept: boolean
}

/** Claims the id as it is now. Rejects with `results_down` when Redis cannot be asked. */
export async function claimJob(parts: ClaimParts, claimant: Claimant): Promise<Held> {
  const { dialect, records, jobTtlMs, resultTtlMs: keepMs, metrics } = parts
  const { job, keys, wireId, fingerprint, asker } = claimant
  const claim = await records.claim({
    keys,
    fingerprint,
    asker,
    keepMs,
    run: randomUUID(),
    owner: job.owner,
    jobTtlMs: job.ttlMs ?? jobTtlMs,
    graceMs: CLAIM_GRACE_MS,
    isDerived: isDerivedId(job.id),
    isNumbered: isResponse(job),
    prepared: dialect.prepare?.(job, wireId, new Date()) ?? [],
  })
  metrics.claims.inc({ result: claim.verdict })
  if (claim.isLost) metrics.resultsLost.inc()
  const at = performance.now()
  return { ...claim, at, renewedAt: at, isKept: false }
}

/**
 * Claims the id while the subscription to its keys is made: one round trip on two
 * connections. Both must have succeeded before anything is published.
 */
export async function claimArmed(
  parts: ClaimParts,
  claimant: Claimant,
  armed: Promise<void>,
): Promise<Held> {
  const [arm, claim] = await Promise.allSettled([armed, claimJob(parts, claimant)])
  if (claim.status === 'rejected') throw claim.reason
  const { verdict } = claim.value
  if (arm.status === 'rejected') {
    if (verdict === 'new') await releaseJob(parts, claimant, claim.value.run)
    const isInFlight = verdict === 'takeover' || verdict === 'joined'
    throw isInFlight ? acceptanceUnknown(arm.reason) : arm.reason
  }
  return verdict === 'conflict' ? claimAfterItsEnd(parts, claimant, claim.value) : claim.value
}

/** The record is removed, as if the job had not been asked for. False when another replica has taken it over. */
export async function releaseJob(
  { dialect, records, log }: Pick<ClaimParts, 'dialect' | 'records' | 'log'>,
  { job, keys, wireId, asker }: Claimant,
  run: string,
): Promise<boolean> {
  try {
    const prepared = dialect.prepare?.(job, wireId, new Date()) ?? []
    const isKept = job.kept !== undefined
    return await records.release(keys, { run, asker, prepared, isKept })
  } catch (error) {
    // Redis cannot be asked: the record goes stale, and is taken over after the grace.
    log.warn(errorFields(error), 'claim.release_failed')
    return true
  }
}

/** The process waits no more. Resolves with whether the job runs on, because others wait for it. */
export async function leaveRun(
  parts: ClaimParts,
  { job, keys, wireId, asker }: Claimant,
  { run, isSure }: Held,
): Promise<boolean> {
  const leaving = { asker, isSure }
  try {
    const left = () => cancelRun(parts, { keys, jobId: job.id, wireId, run, leaving })
    return (await insist(parts.records, left)) === 'asked'
  } catch (error) {
    parts.log.warn(errorFields(error), 'claim.leave_failed')
    return true
  }
}

/** What a request gets whose job's life is over. Of a response that is its end, so that no later reader sees another. */
export async function lifeOver(
  parts: ClaimParts,
  { job, keys, wireId }: Claimant,
  run: string,
): Promise<GatewayError> {
  if (isResponse(job)) {
    await expireRun(parts, { keys, wireId, run }).catch((error: unknown) => {
      parts.log.warn(errorFields(error), 'claim.expire_failed')
    })
  }
  return jobExpired()
}

/** Another payload holds the id. If its result exists, that job has ended, and only no mark says so yet. */
async function claimAfterItsEnd(parts: ClaimParts, claimant: Claimant, held: Held): Promise<Held> {
  const { records } = parts
  const { job, keys } = claimant
  const seen = await lookAtJob(parts, job).catch(async (error: unknown) => {
    // The other payload was not accepted, or its record has just expired.
    if (isNotFound(error)) return undefined
    // A result that no reader can read is an end, of the kind that a retry runs again.
    if (!isUnreadable(error) || !held.isSure) throw error
    await records.finish(keys, held.run, 'failed')
    return undefined
  })
  if (seen !== undefined && !hasEnded(seen.view)) throw jobConflict()
  const again = await claimJob(parts, claimant)
  if (again.verdict === 'conflict') throw jobConflict()
  return again
}

const isNotFound = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'not_found'

/** The result exists, and no reader can read it. */
const isUnreadable = (error: unknown): boolean =>
  error instanceof WireFormatError || (error instanceof GatewayError && error.code === 'bad_result')

/** Why the keys are read: an event, the look after the SUBSCRIBE for a job in flight, the last look of a request. */
export type ReadSource = HintSource | 'armed_read' | 'deadline'

/** `moved`: another run has the id. `open`: no end yet, or none of this run. `unreadable`: an end all the same. */
export type Found =
  | { readonly kind: 'moved' }
  | { readonly kind: 'open'; readonly status: 'queued' | 'running' }
  | { readonly kind: 'ended'; readonly ending: Outcomes }
  | { readonly kind: 'unreadable'; readonly error: unknown }

export interface ReadOptions {
  readonly source: ReadSource
  /** The client's answer says when the job ended. */
  readonly isAskedWhen: boolean
}

type ReadParts = Pick<GatewayParts, 'records' | 'dialect' | 'metrics' | 'log'>

/** Reads a job's keys once. Never rejects: a Redis that cannot be asked now is read again when it is back. */
export async function readOutcome(
  parts: ReadParts,
  { keys, job }: Claimant,
  claim: Held,
  { source, isAskedWhen }: ReadOptions,
): Promise<Found> {
  const { records, dialect, metrics, log } = parts
  metrics.reads.inc({ source })
  // A result that existed before we claimed may be an earlier run's. What an event tells of is newer.
  const isUnsure = claim.isAnswered && !claim.isSure && source !== 'notification'
  try {
    const result = await records.read(keys, claim)
    if (result.run !== null && result.run !== claim.run) return { kind: 'moved' }
    const standing: Standing = result.isCancelled
      ? { outcome: { kind: 'cancelled' } }
      : dialect.decodeResult(result.values)
    if (typeof standing === 'string') {
      // Evicted, or deleted between the event and the read. A later event may still bring one.
      if (source === 'notification' && result.values.every((value) => value === null)) {
        metrics.resultsLost.inc()
        log.warn({ job: job.id }, 'job.result_vanished')
      }
      return { kind: 'open', status: standing }
    }
    const { run, outcome } = standing
    if (run !== undefined && run !== claim.run) {
      log.warn({ job: job.id }, 'job.foreign_run')
      const value = result.values[0] ?? ''
      const dropping = records.dropForeign(keys, run, value, claim.verdict !== 'replay')
      logged(parts, 'claim.drop_failed', dropping)
      return { kind: 'open', status: 'queued' }
    }
    if (run === undefined && isUnsure) return { kind: 'open', status: 'queued' }
    const { finished: finishedAt = Date.now() } =
      typeof result.record === 'object' ? result.record : {}
    const end = { kind: outcome.kind, finishedAt, isTold: isAskedWhen }
    const settling = records.settle(keys, claim, result, end)
    logged(parts, 'claim.finish_failed', settling)
    // To be replayed, and no success after all: the job runs again.
    if (claim.verdict === 'replay' && outcome.kind !== 'succeeded') {
      await settling.catch(() => {})
      return { kind: 'open', status: 'queued' }
    }
    const isReplay = source === 'armed_read' && claim.isAnswered
    return { kind: 'ended', ending: { outcome, isReplay, finishedAt, readAt: performance.now() } }
  } catch (error) {
    if (!isUnreadable(error) || isUnsure) return { kind: 'open', status: 'queued' }
    logged(parts, 'claim.finish_failed', records.finish(keys, claim.run, 'failed'))
    return { kind: 'unreadable', error }
  }
}

/** Work that the answer does not wait for. */
function logged({ log }: ReadParts, event: string, work: Promise<unknown>): void {
  work.catch((error: unknown) => log.warn(errorFields(error), event))
}

/**
 * Two requests ask for the same job if these are equal. How long a client waits is no part of it.
 * Stored records hold fingerprints, so that of a job without `request` and without fields of the client's own must never change.
 */
export function fingerprintOf({
  queue,
  messages,
  meta,
  priority,
  source,
  request,
  kept,
}: Job): string {
  const { temperature, tokensLimit, stopWords, model, more } = meta
  const texts = messages.map(({ role, content }) => [role, content])
  // JSON has no `undefined` in a list: what was left open must not look like a client's own null.
  const asked = [temperature, tokensLimit].map((value) => (value === undefined ? 'open' : value))
  const canonical: unknown[] = [queue, texts, ...asked, stopWords, model, priority, source]
  if (more !== undefined) canonical.push(['more', inOrder(more)])
  if (kept !== undefined) canonical.push(['kept', kept])
  if (request !== undefined) canonical.push(['request', 1, request.endpoint, request.body])
  return hash('sha256', JSON.stringify(canonical), 'base64')
}

/** The same value with its keys sorted, because their order says nothing in JSON. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const sorted = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([key, field]) => [key, inOrder(field)]))
}

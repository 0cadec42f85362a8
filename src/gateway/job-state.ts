import { acceptanceUnknown, draining, interrupted, notPublished, timedOut } from '../errors.ts'
import type { GatewayError } from '../errors.ts'
import type { Held } from './claimed-run.ts'

/**
 * The states of one job id in this process.
 *
 * ```
 *               new                 confirmed
 *  claiming ─────────▶ sending ────────────────▶ accepted ────┐
 *     │                  ▲  │                     ▲  │        │ outcome, refused,
 *     │ joined, takeover │  │ moved               │  │ moved  │ expired, left, stop
 *     │                  │  ▼                     │  ▼        ▼
 *     ├───────────────▶ following ── published ───┴────────▶ ended
 *     └── conflict, refused, left ───────────────────────────▲
 * ```
 *
 * - `claiming`: the record is asked for the first time whose the id is. Nothing is published.
 * - `sending`: this process has handed the message to the broker, which has not answered yet.
 * - `following`: another process is about to publish the job, or has done so.
 * - `accepted`: the broker has the message.
 * - `ended`: there is nothing left to wait for here.
 *
 * `moved`: the record names another run than ours, which has ended and was read elsewhere. The
 * id is claimed again, and the reply decides between sending, following and accepted.
 */
export type JobState = 'claiming' | 'sending' | 'following' | 'accepted' | 'ended'

const MOVES: Readonly<Record<JobState, readonly JobState[]>> = {
  claiming: ['sending', 'following', 'accepted', 'ended'],
  sending: ['sending', 'following', 'accepted', 'ended'],
  following: ['sending', 'following', 'accepted', 'ended'],
  accepted: ['sending', 'following', 'accepted', 'ended'],
  ended: [],
}

/** The state after a move; throws on a move that is not drawn above, which is a defect of ours. */
export function moved(from: JobState, to: JobState): JobState {
  if (!MOVES[from].includes(to)) throw new Error(`a job cannot move from ${from} to ${to}`)
  return to
}

/** How long a claim may stay unpublished before another replica takes it over. */
export const CLAIM_GRACE_MS = 5_000
/** A job that is pending for longer is marked as published, so that no other replica takes it over. */
export const MARK_AFTER_MS = 1_000
/** A silent broker is given up by its heartbeat after 10 to 15 s. A request gets its answer no later. */
export const CONFIRM_WITHIN_MS = 15_000
/** A record from which a client is to learn soon that the job is accepted is looked at again after this delay. */
export const ASK_AGAIN_MS = 100

/** How often the record hears that clients still wait here: three times in `ASKER_LEASE_MS`. */
export const RENEW_MS = 10_000

export interface Times {
  /** A client waits for the answer that the job was accepted. */
  readonly isPromised: boolean
  /** When the grace of a job is over that all clients have left; Infinity where some wait. */
  readonly graceEndsAt: number
  /** When the message was handed to the broker, on the monotonic clock in ms. */
  readonly publishedAt: number | undefined
  /** How long a request is held. */
  readonly timeoutMs: number
}

/**
 * When something is to be done though nothing happens, on the monotonic clock in ms: the
 * job's life or the grace ends, the record is marked, renewed or looked at again, the broker's
 * answer is overdue.
 */
export function dueAt(state: JobState, claim: Held, times: Times): number {
  const { at, renewedAt, remainingMs, isPublished, ageMs, isAnswered, isSure } = claim
  const { isPromised, graceEndsAt, publishedAt = at, timeoutMs } = times
  const isAwaited = isPromised && ageMs < 2 * MARK_AFTER_MS
  const isAskedAgain = isAwaited || (isAnswered && !isSure)
  const ofState = {
    claiming: Infinity,
    sending: publishedAt + CONFIRM_WITHIN_MS,
    // The publisher may have died or been refused: then this process takes over, after the grace.
    following: at + (isAskedAgain ? ASK_AGAIN_MS : CLAIM_GRACE_MS - ageMs + 50),
    accepted: isPublished ? renewedAt + RENEW_MS : publishedAt + MARK_AFTER_MS,
    ended: Infinity,
  }
  // A request whose time is over before the job's life asks nothing of that.
  const lifeEndsAt = remainingMs < timeoutMs ? at + remainingMs : Infinity
  return Math.min(ofState[state], lifeEndsAt, graceEndsAt)
}

/** What a request gets when the gateway stops. */
export const interruptedIn = (state: JobState): GatewayError => ON_STOP[state]()

const ON_STOP: Readonly<Record<JobState, () => GatewayError>> = {
  claiming: draining,
  sending: () => acceptanceUnknown(new Error('the gateway is stopping')),
  following: () => acceptanceUnknown(new Error('the gateway is stopping')),
  accepted: interrupted,
  ended: interrupted,
}

/** What a request gets when its time is over. `hasNoWorker`: no worker takes jobs from the queue. */
export function timedOutIn(
  state: JobState,
  seconds: number,
  { queue, hasNoWorker }: { readonly queue: string; readonly hasNoWorker: boolean },
): GatewayError {
  if (state === 'claiming') return notPublished(seconds)
  if (state !== 'accepted') return acceptanceUnknown(new Error(`no outcome after ${seconds} s`))
  return timedOut(seconds, hasNoWorker ? queue : undefined)
}

import { PIECE_BYTES } from './values.ts'
import type { Dialect } from '../../dialect.ts'
import type { RedisClient } from '../connection.ts'
import type { Claim, ClaimRequest } from './claim.ts'
import type { JobKeys, JobRecord } from './record.ts'

/**
 * The usual path, without a script: a script call alone costs Redis more than these
 * commands together. For kinds of worker whose every value is an end, and that
 * expect to find nothing.
 */
export const hasPlainPath = ({ ends, prepare }: Pick<Dialect, 'ends' | 'prepare'>): boolean =>
  ends === 'any' && prepare === undefined

/** `leftovers`: the id is claimed, and something of an earlier run is beside it. `held`: a record exists. */
export type PlainClaim = Claim | 'leftovers' | 'held'

/**
 * Claims the id if it is free, and looks for what an earlier run may have left. Both
 * together are not one step: until the publisher has deleted the leftovers, no other
 * request may take them for the outcome of this run (`isSure` in lua.ts).
 */
export async function claimPlainly(
  client: RedisClient,
  { keys, run, fingerprint, owner, asker, isNumbered, jobTtlMs, keepMs: keep }: ClaimRequest,
): Promise<PlainClaim> {
  const [sentAt, created, life] = [performance.now(), Date.now(), jobTtlMs + keep]
  const numbered = isNumbered ? ({ numbered: true } as const) : {}
  const base = { v: 1, run, fingerprint, owner, holder: asker, created, life, keep } as const
  const written: JobRecord = { ...base, ...numbered }
  const text = JSON.stringify(written)
  const [before, leftovers] = await Promise.all([
    client.set(keys.record, text, {
      condition: 'NX',
      GET: true,
      expiration: { type: 'PX', value: life },
    }),
    client.exists([keys.results[0], keys.cancel, keys.deltas]),
  ])
  // A SET whose reply was lost, sent again, finds what it wrote itself.
  if (before !== null && before !== text) return 'held'
  if (leftovers > 0) return 'leftovers'
  return { ...FREE, run, text, sentAt, life, remainingMs: jobTtlMs, createdAt: created }
}

/** What is known of an id that was free. */
const FREE = {
  verdict: 'new',
  isPublished: false,
  ageMs: 0,
  isAnswered: false,
  isSure: true,
  isLost: false,
  finishedAt: null,
} as const

export interface PlainRead {
  /** The value; its beginning where it is large. */
  readonly pieces: readonly [string]
  readonly isWhole: boolean
  /** As it was after the result was read. `untouched`: still as we wrote it. */
  readonly record: JobRecord | 'untouched' | 'gone'
}

/**
 * Reads the result first and the record second. A new run replaces the record before its
 * message is published, so if the record still names our run, the result is not of a later
 * one. Undefined where no value was found: then only a script can tell what that means.
 */
export async function readPlainly(
  client: RedisClient,
  { record, results: [result] }: JobKeys,
  claimed: string,
): Promise<PlainRead | undefined> {
  const [value, found] = await Promise.all([
    client.getRange(result, 0, PIECE_BYTES - 1),
    client.get(record),
  ])
  // GETRANGE does not tell an empty value from an absent one.
  if (value === '' || value === null) return undefined
  // A piece that was cut has at least as many bytes as were asked for; a character has three at most.
  const read = { pieces: [value], isWhole: value.length * 3 < PIECE_BYTES } as const
  if (found === claimed) return { ...read, record: 'untouched' }
  return { ...read, record: found === null ? 'gone' : (JSON.parse(found) as JobRecord) }
}

/**
 * Gives a result that was read the record's whole life, so that it does not go before the
 * record, and the deltas with it. False where it has a life already, which may be shorter.
 */
export async function keepAsLongAsRecord(
  client: RedisClient,
  { deltas, results: [result] }: JobKeys,
  life: number,
): Promise<boolean> {
  const [isGiven] = await Promise.all([
    client.pExpire(result, life, 'NX'),
    client.pExpire(deltas, life),
  ])
  return isGiven === 1
}

import { cancelKey, claimKey, deltasKey, pendingKey } from './keys.ts'
import { argumentsOf, marksOf } from './script.ts'
import type { Dialect, RedisWrite, Values } from '../dialect.ts'
import type { RedisClient } from './connection.ts'
import type { EnterReply } from './scripts.ts'

export interface ClaimRequest {
  /** The dialect's keys of the job; the claim hangs on the first. */
  readonly keys: readonly string[]
  readonly fingerprint: string
  readonly owner: string
  /** Random: the run it shall be, if it is a new one, and who holds it, if we are to publish it. */
  readonly token: string
  readonly jobTtlMs: number
  /** How long the index of all jobs is kept from now on: longer than any of them can be in it. */
  readonly indexTtlMs: number
  /** How long the record is kept after the job's life: as long as results are. */
  readonly keepMs: number
  /** A claim left unpublished for longer is taken over: its replica died in between. */
  readonly graceMs: number
  /** Ours alone, as long as somebody waits here: who wants the outcome. */
  readonly asker: string
  /** What the sweep is to know us by, if we are to publish it. */
  readonly entry: string
  readonly idKind?: 'made' | 'derived' | undefined
  /** What the worker expects to find, written with a new claim and as long as that is kept. */
  readonly prepared: readonly RedisWrite[]
}

export interface Entered {
  /**
   * `new`: nobody is at it, publish it. `takeover`: whoever was at it died before
   * the publish, publish it under the same run. `joined`: it is under way.
   * `replay`: it has succeeded, the result stands. `conflict`: another payload is
   * under way by this id.
   */
  readonly verdict: 'new' | 'takeover' | 'joined' | 'replay' | 'conflict'
  readonly run: string
  readonly isPublished: boolean
  /** What is left of the job's life, by the clock of Redis. */
  readonly remainingMs: number
  /** Since the claim was made (or taken over). */
  readonly ageMs: number
  /** A result stands there already; whether it ends the job, only the dialect knows. */
  readonly isAnswered: boolean
  /** It had succeeded, and Redis has lost the result: a new run. */
  readonly isLost: boolean
  /** When the run was first claimed, in milliseconds by the clock of Redis. */
  readonly createdAt: number
}

type ReleaseRequest = Pick<ClaimRequest, 'keys' | 'prepared' | 'token' | 'entry'>

/** An end that is no worker's. */
export interface EndRequest {
  readonly run: string
  /** At the result keys, in their order. */
  readonly values: Values
  readonly ttlMs: number
}

/** Who asked for which id, with what, and which run answers: the record that all replicas share. */
export class Claims {
  readonly #client: RedisClient
  readonly #index: string
  readonly #marks: string

  constructor(client: RedisClient, prefix: string, dialect: Pick<Dialect, 'ends'>) {
    this.#client = client
    this.#index = pendingKey(prefix)
    this.#marks = marksOf(dialect)
  }

  async enter(request: ClaimRequest): Promise<Entered> {
    const { keys, fingerprint, owner, token, jobTtlMs, keepMs, graceMs, asker, entry } = request
    const [first] = keys as [string]
    const expected = expectedOf(request)
    const reply: unknown = await this.#client.enterClaim(
      [claimKey(first), this.#index, cancelKey(first), deltasKey(first), ...expected.keys],
      [
        fingerprint,
        owner,
        token,
        String(jobTtlMs),
        String(keepMs),
        String(graceMs),
        asker,
        entry,
        String(request.indexTtlMs),
        request.idKind ?? '',
        this.#marks,
        String(keys.length),
        ...expected.values,
      ],
    )
    const [verdict, run, state, answered, remainingMs, ageMs, lost, createdAt] = reply as EnterReply
    return {
      verdict,
      run,
      isPublished: state !== 'claimed',
      isAnswered: answered > 0,
      remainingMs,
      ageMs,
      isLost: lost > 0,
      createdAt,
    }
  }

  /**
   * Who asked does so no more, because the client has left. The last one cancels
   * the job, unless it has ended: then `values` stand as its result.
   */
  async leave(
    keys: readonly string[],
    { run, asker, values, ttlMs }: EndRequest & { readonly asker: string },
  ): Promise<'ended' | 'asked' | 'cancelled'> {
    const [first] = keys as [string]
    return this.#client.leaveClaim(
      [claimKey(first), cancelKey(first), ...keys],
      [run, asker, String(ttlMs), this.#marks, ...argumentsOf(values)],
    )
  }

  /** Ends it, whoever asks for it, with `values` as its result. `moved`: another run has the id now. */
  async cancel(
    keys: readonly string[],
    { run, values, ttlMs }: EndRequest,
  ): Promise<'moved' | 'ended' | 'cancelled'> {
    const [first] = keys as [string]
    return this.#client.cancelJob(
      [claimKey(first), cancelKey(first), ...keys],
      [run, '', String(ttlMs), this.#marks, ...argumentsOf(values)],
    )
  }

  /** The broker has it: no other request takes it over any more. */
  async markPublished(keys: readonly string[], run: string): Promise<void> {
    await this.#client.markPublished([claimKey(keys[0] as string)], [run])
  }

  /**
   * It was not accepted: as if nobody had asked. `false` when another has taken
   * it over meanwhile, who may have published it.
   */
  async release({ keys, prepared, token, entry }: ReleaseRequest): Promise<boolean> {
    // Not what stands at a result key: the message of an earlier run may still be looked for with it.
    const written = prepared.map(({ key }) => key).filter((key) => !keys.includes(key))
    const released = await this.#client.releaseClaim(
      [claimKey(keys[0] as string), this.#index, ...written],
      [token, entry],
    )
    return released === 1
  }

  /** Its outcome is known: from here on, claim and result have `ttlMs` to live, and the sweep has not to look. */
  async finish(
    keys: readonly string[],
    run: string,
    kind: string,
    ttlMs: number,
    entry = '',
  ): Promise<void> {
    await this.#client.finishClaim(
      [claimKey(keys[0] as string), this.#index, ...keys],
      [run, kind, String(ttlMs), entry],
    )
  }

  /** Writes a result as a worker would, where none stands. */
  async answer(
    keys: readonly string[],
    { run, values, ttlMs }: EndRequest,
  ): Promise<'written' | 'stale' | 'answered'> {
    return this.#client.writeAnswer(
      [claimKey(keys[0] as string), ...keys],
      [run, String(ttlMs), '1', this.#marks, ...argumentsOf(values)],
    )
  }

  /** Takes away a late result of an earlier run, so that it cannot stand in the way of the true one. */
  async dropForeign(
    keys: readonly string[],
    run: string,
    value: string,
    isUnderWay: boolean,
  ): Promise<void> {
    const [first] = keys as [string]
    await this.#client.dropForeign([claimKey(first), first], [run, value, isUnderWay ? '1' : ''])
  }
}

/** The result keys and what else the worker expects, each with what it is to hold. */
function expectedOf({ keys, prepared }: ClaimRequest): { keys: string[]; values: string[] } {
  const others = prepared.map(({ key }) => key).filter((key) => !keys.includes(key))
  const all = [...keys, ...others]
  const valueOf = (key: string): string => prepared.find((write) => write.key === key)?.value ?? ''
  return { keys: all, values: all.map(valueOf) }
}

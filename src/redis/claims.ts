import { cancelKey, claimKey, deltasKey, pendingKey } from './keys.ts'
import type { RedisWrite } from '../dialect.ts'
import type { RedisClient } from './connect.ts'
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

/** Who asked for which id, with what, and which run answers: the record that all replicas share. */
export class Claims {
  readonly #client: RedisClient
  readonly #index: string

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#index = pendingKey(prefix)
  }

  async enter(request: ClaimRequest): Promise<Entered> {
    const { keys, fingerprint, owner, token, jobTtlMs, keepMs, graceMs, asker, entry } = request
    const [first] = keys as [string]
    const reply: unknown = await this.#client.enterClaim(
      [claimKey(first), this.#index, cancelKey(first), deltasKey(first), ...keys],
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
   * the job, unless it has ended: then `writes` stand as its result.
   */
  async leave(
    run: string,
    asker: string,
    writes: readonly RedisWrite[],
    ttlMs: number,
  ): Promise<'ended' | 'asked' | 'cancelled'> {
    const keys = writes.map(({ key }) => key)
    const [first] = keys as [string]
    return this.#client.leaveClaim(
      [claimKey(first), cancelKey(first), ...keys],
      [run, asker, String(ttlMs), ...writes.map(({ value }) => value)],
    )
  }

  /** Ends it, whoever asks for it, with `writes` as its result. `moved`: another run has the id now. */
  async cancel(
    run: string,
    writes: readonly RedisWrite[],
    ttlMs: number,
  ): Promise<'moved' | 'ended' | 'cancelled'> {
    const keys = writes.map(({ key }) => key)
    const [first] = keys as [string]
    return this.#client.cancelJob(
      [claimKey(first), cancelKey(first), ...keys],
      [run, '', String(ttlMs), ...writes.map(({ value }) => value)],
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
  async release(keys: readonly string[], token: string, entry: string): Promise<boolean> {
    const claim = claimKey(keys[0] as string)
    return (await this.#client.releaseClaim([claim, this.#index], [token, entry])) === 1
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
  async answer(run: string, writes: readonly RedisWrite[], ttlMs: number): Promise<string> {
    const keys = writes.map(({ key }) => key)
    return this.#client.writeAnswer(
      [claimKey(keys[0] as string), ...keys],
      [run, String(ttlMs), '1', ...writes.map(({ value }) => value)],
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

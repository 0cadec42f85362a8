import { randomUUID } from 'node:crypto'
import { ErrorReply } from 'redis'
import { noResult } from '../refusal.ts'
import { RECORD_SUFFIX } from './record.ts'
import { claimCall, claimOf } from './claim.ts'
import { READ_WITHIN_MS } from './lua.ts'
import { claimPlainly, hasPlainPath, keepAsLongAsRecord, readPlainly } from './plain.ts'
import { argumentsOf, canNeverSucceed } from './script.ts'
import { PIECE_BYTES, completed, isWhole, readError } from './values.ts'
import type { Dialect, Values } from '../../dialect.ts'
import type { Outcome } from '../../job.ts'
import type { RedisClient } from '../connection.ts'
import type { JobKeys, JobRecord, ResultKeys } from './record.ts'
import type { AnswerReply } from './answer.ts'
import type { Claim, ClaimRequest } from './claim.ts'
import type { KindAsk } from './script.ts'
import type { EndReply } from './end.ts'
import type { MayRunReply } from './may-run.ts'
import type { PlainClaim } from './plain.ts'
import type { ReadEnd, ReadResult, StoredJob } from './stored-job.ts'

interface RunOfJob {
  readonly keys: JobKeys
  readonly run: string
}

interface Released extends Pick<ClaimRequest, 'run' | 'asker' | 'prepared'> {
  /** What was kept of the request goes as well. */
  readonly isKept?: boolean
}

export interface JobRecordsOptions {
  readonly dialect: Pick<Dialect, 'ends' | 'prepare' | 'mayAnswerTwice' | 'resultKeys'>
  /** How long results live whose record has gone. */
  readonly resultTtlMs: number
  /** Whether the usual path is taken, where that is not up to the dialect. */
  readonly isPlain?: boolean
}

/** All records of one kind of worker, for gateway and worker. The transitions are drawn in `record.ts`. */
export class JobRecords {
  readonly #client: RedisClient
  readonly #resultKeys: Dialect['resultKeys']
  readonly #kind: KindAsk
  /** False where the kind of worker or a Redis before 7.0 does not allow the usual path. */
  #isPlain: boolean

  constructor(
    client: RedisClient,
    { dialect, resultTtlMs, isPlain = hasPlainPath(dialect) }: JobRecordsOptions,
  ) {
    this.#client = client
    this.#resultKeys = (wireId) => dialect.resultKeys(wireId)
    this.#kind = { ends: dialect.ends, keepsLife: dialect.mayAnswerTwice, ttl: resultTtlMs }
    this.#isPlain = isPlain
  }

  keysOf(wireId: string): JobKeys {
    return jobKeysOf(this.#resultKeys(wireId))
  }

  /** Rejects with `results_down` when Redis cannot be asked or refuses. */
  async claim(request: ClaimRequest): Promise<Claim> {
    try {
      if (!this.#isPlain) return await this.#claimByScript(request)
      const found = await this.#claimPlainly(request)
      if (typeof found === 'object') return found
      if (found === 'held') return await this.#claimByScript(request)
      // Under a fresh run: a request that has joined this one may just be reading what is deleted.
      return await this.#claimByScript({ ...request, run: randomUUID() }, request.run)
    } catch (cause) {
      throw noResult('the job could not be claimed', cause)
    }
  }

  /**
   * The values at the result keys, and the record as it was after them. Rejects with
   * `bad_result` when a value is too large or no string, with `results_down` when Redis
   * cannot be asked.
   */
  async read(keys: JobKeys, claim: Pick<Claim, 'run' | 'text'>): Promise<ReadResult> {
    try {
      const plain = this.#isPlain && (await readPlainly(this.#client, keys, claim.text))
      if (plain && plain.isWhole) return resultOf(plain.record, plain.pieces, claim.run)
      const { record, pieces } = plain || (await this.#readByScript(keys, claim.run))
      if (pieces.every(isWhole)) return resultOf(record, pieces, claim.run)
      const values = await completed(this.#client, keys.results, pieces)
      // A run never comes back: if it is still the same, all pieces were written for it.
      const after = await this.#client.get(keys.record)
      return resultOf(after === null ? 'gone' : (JSON.parse(after) as JobRecord), values, claim.run)
    } catch (error) {
      throw readError(error)
    }
  }

  /**
   * Makes sure that an outcome which was read stays as long as its record says. On the usual
   * path the result's life is the only mark. A script writes one where more depends on it, or
   * where a client's answer says when the job ended (`isTold`), so that all answers say the same.
   */
  async settle(
    keys: JobKeys,
    { run, life, sentAt }: Pick<Claim, 'run' | 'life' | 'sentAt'>,
    { record }: Pick<ReadResult, 'record'>,
    { kind, finishedAt, isTold }: ReadEnd,
  ): Promise<void> {
    if (typeof record === 'object' && record.state === 'done') {
      const { outcome } = record
      if (outcome === kind || (outcome === 'read' && kind === 'succeeded')) return
    }
    // Later after the claim, the lives of result and record would not tell that it was read.
    const isSoon = (): boolean => performance.now() - sentAt < READ_WITHIN_MS
    const isUsual = record === 'untouched' && kind === 'succeeded' && !isTold && isSoon()
    if (isUsual && (await keepAsLongAsRecord(this.#client, keys, life)) && isSoon()) return
    await this.finish(keys, run, kind, finishedAt)
  }

  /**
   * The outcome was read: from now on, record and results live as long as an outcome can be
   * fetched. Resolves with when the job had ended, in ms since 1970; null without a record.
   */
  finish(keys: JobKeys, run: string, outcome: string, finished?: number): Promise<number | null> {
    const at = finished === undefined ? {} : { finished }
    return this.#client.finishJob({ keys, ask: { ...this.#kind, run, outcome, ...at } })
  }

  /** The job as it is, whichever run has its id; undefined where there is none. Rejects as `read` does. */
  async view(keys: JobKeys): Promise<StoredJob | undefined> {
    try {
      for (;;) {
        const ask = { ...this.#kind, pieceBytes: PIECE_BYTES }
        const found = await this.#client.viewJob({ keys, ask })
        if (found === undefined) return undefined
        const { record, life, pieces, ...rest } = found
        const stored = { record, remainingMs: life - record.keep, ...rest }
        if (pieces.every(isWhole)) return { ...stored, values: pieces }
        const values = await completed(this.#client, keys.results, pieces)
        // Read in pieces, they may be of two runs: then they are read once more.
        const after = await this.#client.get(keys.record)
        if (after !== null && (JSON.parse(after) as JobRecord).run === record.run)
          return { ...stored, values }
      }
    } catch (error) {
      throw readError(error)
    }
  }

  /**
   * The broker has the message: no other replica takes the job over any more. `isKept`: a
   * client was promised that it runs on, so that no client's leaving cancels it.
   */
  async markPublished(keys: JobKeys, run: string, isKept = false): Promise<void> {
    await this.#client.markPublished({ keys, ask: { run, isKept } })
  }

  /** Clients still wait here, so the asker counts for another `ASKER_LEASE_MS`. */
  async renew(keys: JobKeys, run: string, asker: string): Promise<void> {
    await this.#client.renewAsker({ keys, ask: { run, asker } })
  }

  /**
   * The job was not accepted: from now on it is as if it had never been asked for. False when
   * another replica took it over meanwhile, which may have published it.
   */
  release(keys: JobKeys, { run, asker, prepared, isKept = false }: Released): Promise<boolean> {
    // Not what is at a result key: the message of an earlier run may still be looked for with it.
    const others = prepared.map(({ key }) => key).filter((key) => !keys.results.includes(key))
    if (isKept) others.push(keys.kept)
    return this.#client.releaseJob({ keys, ask: { run, holder: asker }, others })
  }

  /**
   * Cancels the job, with `values` as its result: at once, or when `asker` was the last that
   * waits for it. `isSure`: a result that exists is known to be this run's.
   */
  async end(
    keys: JobKeys,
    run: string,
    values: Values,
    leaving?: { readonly asker: string; readonly isSure: boolean },
  ): Promise<EndReply> {
    const ask = { ...this.#kind, run, ...leaving }
    try {
      return await this.#client.endJob({ keys, ask, values: argumentsOf(values) })
    } catch (cause) {
      throw noResult('the job could not be cancelled', cause)
    }
  }

  /** The life of a job without an outcome is over: that is its end from now on, with `values` as its result. */
  async expire(keys: JobKeys, run: string, values: Values): Promise<void> {
    const ask = { ...this.#kind, run, isOver: true }
    try {
      await this.#client.endJob({ keys, ask, values: argumentsOf(values) })
    } catch (cause) {
      throw noResult('the end of the job could not be written', cause)
    }
  }

  /** Writes a result as a worker does. `run` is '' where its message names none. */
  answer(
    { keys, run }: RunOfJob,
    outcome: Outcome['kind'],
    values: Values,
    isFirst: boolean,
  ): Promise<AnswerReply> {
    const ask = { ...this.#kind, run, outcome, isFirst }
    return this.#client.answerJob({ keys, ask, values: argumentsOf(values) })
  }

  /** Whether a worker that has the message should run the job; `running` says that it begins. */
  mayRun({ keys, run }: RunOfJob, isRedelivered: boolean, running: Values): Promise<MayRunReply> {
    const ask = { ...this.#kind, run, isRedelivered }
    return this.#client.mayRunJob({ keys, ask, values: argumentsOf(running) })
  }

  /** A worker that stops in order gives the job back: that is no try that failed. */
  async giveBack({ keys, run }: RunOfJob): Promise<void> {
    await this.#client.giveBackJob({ keys, ask: { run } })
  }

  /** How long a job that was given back in order may still wait and run, in ms; 0 for every other job. */
  returned({ keys, run }: RunOfJob, isForgotten = false): Promise<number> {
    return this.#client.returnedJob({ keys, ask: { run, isForgotten } })
  }

  /** The refusal of a script stays the same, however often it is called. */
  canNeverSucceed(error: unknown): boolean {
    return canNeverSucceed(error)
  }

  /** Removes a late result of another run, unless it was replaced since it was read. */
  async dropForeign(keys: JobKeys, of: string, value: string, isInFlight: boolean): Promise<void> {
    await this.#client.dropForeign({ keys, ask: { of, isInFlight }, values: [value] })
  }

  /** Gives results that no request has read a time to live, where they have none. Resolves with how many. */
  expireUnread(
    keys: JobKeys,
    { orphanTtlMs, graceMs }: { readonly orphanTtlMs: number; readonly graceMs: number },
  ): Promise<number> {
    const ask = { ...this.#kind, orphanTtl: orphanTtlMs, grace: graceMs }
    return this.#client.expireUnread({ keys, ask })
  }

  async #claimPlainly(request: ClaimRequest): Promise<PlainClaim> {
    try {
      return await claimPlainly(this.#client, request)
    } catch (error) {
      // Before 7.0, Redis does not know SET with NX and GET together.
      if (!(error instanceof ErrorReply) || !/syntax error/i.test(error.message)) throw error
      this.#isPlain = false
      return 'held'
    }
  }

  async #claimByScript(request: ClaimRequest, replaces?: string): Promise<Claim> {
    return claimOf(await this.#client.claimJob(claimCall(request, this.#kind, replaces)))
  }

  async #readByScript(keys: JobKeys, run: string) {
    const ask = { ...this.#kind, run, pieceBytes: PIECE_BYTES }
    const { record, pieces } = await this.#client.readJob({ keys, ask })
    return { record: record ?? ('gone' as const), pieces }
  }
}

/**
 * The braces put our keys into the result's own slot, so that one script may touch
 * them together, on a cluster too.
 */
export function jobKeysOf(results: ResultKeys): JobKeys {
  const slot = `{${results[0]}}`
  return {
    record: slot + RECORD_SUFFIX,
    cancel: `${slot}:cancel`,
    deltas: `${slot}:deltas`,
    kept: `${slot}:kept`,
    results,
  }
}

function resultOf(record: ReadResult['record'], values: Values, run: string): ReadResult {
  if (typeof record === 'string') {
    return { values, run: record === 'gone' ? null : run, isCancelled: false, record }
  }
  return { values, run: record.run, isCancelled: record.state === 'cancelled', record }
}

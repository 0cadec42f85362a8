import { randomUUID } from 'node:crypto'
import { draining, jobConflict } from '../errors.ts'
import { wireId } from '../job.ts'
import { fingerprintOf } from './claimed-run.ts'
import { PendingJob } from './pending-job.ts'
import type { Job } from '../job.ts'
import type { Admission } from './admission.ts'
import type { ContentUse } from './job-content.ts'
import type { GatewayParts } from './gateway-parts.ts'

/** How a job is asked for, as the metrics name it: the client waits, comes back later, or reads events. */
export type Mode = 'wait' | 'async' | 'stream'

/** A request for a job. It decides where no job of its id is pending here. */
export interface Asked {
  readonly mode: Mode
  /** The client chose the id. So it may come back by it, and its leaving cancels the job only after a grace. */
  readonly mayReturn?: boolean | undefined
  readonly content?: ContentUse | undefined
}

export interface PendingJobOptions {
  readonly mode: string
  /** How long the job waits for its client to come back, in ms. */
  readonly graceMs: () => number
  readonly onEnd: (pending: PendingJob) => void
  readonly content?: ContentUse | undefined
}

/** The jobs that requests wait for in this process, by their ids on the wire: at most one for an id. */
export class PendingJobs {
  readonly #parts: GatewayParts
  readonly #admission: Pick<Admission, 'isDraining'>
  readonly #jobs = new Map<string, PendingJob>()
  /** Names this process among all askers. */
  readonly #instance = randomUUID().slice(0, 8)
  #asked = 0

  constructor(parts: GatewayParts, admission: Pick<Admission, 'isDraining'>) {
    this.#parts = parts
    this.#admission = admission
  }

  /** A request that joins a pending job must ask for the same. Undefined: it is not known yet which payload holds the id. */
  joinAtOnce(job: Job, asked: Asked): PendingJob | undefined {
    const id = wireId(job)
    const fingerprint = fingerprintOf(job)
    const existing = this.#jobs.get(id)
    if (existing === undefined) return this.#begin(job, { id, fingerprint }, asked)
    const { claimant, claim } = existing
    if (claimant.fingerprint === fingerprint && claimant.job.owner === job.owner) {
      existing.join()
      // The pending job has the same content.
      asked.content?.begin()
      asked.content?.end(true)
      return existing
    }
    if (claim !== undefined && !existing.demand.isLeft) throw jobConflict()
    return undefined
  }

  /**
   * Another payload is about to claim the id here; but another replica may hold it, for ours.
   * Or all clients have left the other payload's job: then it is cancelled for this one.
   */
  async join(job: Job, asked: Asked): Promise<PendingJob> {
    for (;;) {
      const existing = this.#jobs.get(wireId(job))
      if (existing?.demand.isLeft) {
        existing.endGrace()
        await existing.done
      } else await existing?.claimed
      const joined = this.joinAtOnce(job, asked)
      if (joined !== undefined) return joined
    }
  }

  /** A request has left or has its answer. */
  leave(pending: PendingJob): void {
    if (pending.leave()) this.#forget(pending)
  }

  /** Clients that have left cannot come back to this process any more. */
  endGraces(): void {
    for (const pending of this.#jobs.values()) pending.endGrace()
  }

  /** The requests that are held get their answer now. */
  interrupt(): void {
    for (const pending of this.#jobs.values()) pending.interrupt()
  }

  #begin(
    job: Job,
    { id, fingerprint }: { readonly id: string; readonly fingerprint: string },
    { mode, mayReturn, content }: Asked,
  ): PendingJob {
    // A stop may have begun while this request waited to join.
    if (this.#admission.isDraining) throw draining()
    this.#asked += 1
    const keys = this.#parts.records.keysOf(id)
    const asker = `${this.#instance}-${this.#asked}`
    const claimant = { job, keys, wireId: id, fingerprint, asker }
    const onEnd = (ended: PendingJob): void => this.#forget(ended)
    const graceMs = (): number => (mayReturn && this.#hasRoom ? this.#parts.leaveGraceMs : 0)
    content?.begin()
    const options = { mode, graceMs, onEnd, content }
    const pending = new PendingJob(claimant, options, this.#parts)
    this.#jobs.set(id, pending)
    pending.join()
    return pending
  }

  /** A job that all clients have left takes memory, too. */
  get #hasRoom(): boolean {
    return !this.#admission.isDraining && this.#jobs.size <= this.#parts.maxPending
  }

  /** The id is free for the next request. Those that wait for this job are not touched. */
  #forget(pending: PendingJob): void {
    const { wireId: id } = pending.claimant
    if (this.#jobs.get(id) === pending) this.#jobs.delete(id)
  }
}

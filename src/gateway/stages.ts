import type { PendingJob } from './pending-job.ts'
import type { Outcomes } from './waiters.ts'

/** Milliseconds of a request by stage; undefined where a stage was not passed through. */
export interface Stages {
  readonly arm?: number | undefined
  readonly queue?: number | undefined
  readonly read?: number | undefined
  readonly total: number
}

export function stagesOf(
  { claim, publishedAt }: PendingJob,
  { hintedAt, readAt }: Outcomes,
  started: number,
): Stages {
  return {
    arm: claim !== undefined && claim.at > started ? claim.at - started : undefined,
    queue: hintedAt !== undefined && publishedAt !== undefined ? hintedAt - publishedAt : undefined,
    read: hintedAt !== undefined ? readAt - hintedAt : undefined,
    total: performance.now() - started,
  }
}

import type { Job, Outcome } from '../src/job.ts'

/** What makes an outcome of a job. A failure it can name is an outcome; only `signal` makes it reject. */
export interface Engine {
  run(job: Job, signal: AbortSignal): Promise<Outcome>
}

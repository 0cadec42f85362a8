import type { Job, Outcome } from '../src/job.ts'

/**
 * Takes the next piece of an answer. The texts of one that succeeds, joined, are its content.
 * `chunk`: the JSON text of the server's chunk that the text is of, where the job has a
 * `request`. The text may be empty then.
 */
export type OnDelta = (text: string, chunk?: string) => void

/** What makes an outcome of a job. A failure it can name is an outcome; only `signal` makes it reject. */
export interface Engine {
  /** `onDelta` is told of each piece as it comes, or of none by an engine that has its answer as a whole. */
  run(job: Job, signal: AbortSignal, onDelta: OnDelta): Promise<Outcome>
}

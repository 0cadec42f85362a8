import type { Job, Outcome } from '../src/job.ts'

/**
 * Takes the next piece of an answer. The texts of one that succeeds, joined, are its content.
 * `chunk`: the JSON text of the server's chunk that the text is of, where the job has a
 * `request`. The text may be empty then.
 */
export type OnDelta = (text: string, chunk?: string) => void

/** What makes an outcome of a job. A failure it can name is an outcome; only `signal` makes it reject. */
export interface Engine {
  /**
   * `onDelta` gets each piece as it comes. An engine that has its answer as a whole calls it for none.
   * `job.ttlMs` is what is left of the job's life.
   */
  run(job: Job, signal: AbortSignal, onDelta: OnDelta): Promise<Outcome>
  /** Where the answers come from another program. */
  readonly server?: EngineServer
}

/** The program that an engine asks. While it is away, its worker takes no jobs. */
export interface EngineServer {
  /** For the log. */
  readonly address: string
  /** Whether it answers at all, whatever it says. Never rejects. */
  isReachable(signal: AbortSignal): Promise<boolean>
}

/** The type of a failure where the engine's server gave no answer at all, and may be away. */
export const UNREACHABLE = 'upstream_unreachable'

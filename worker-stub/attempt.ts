import { errorFields } from '../src/telemetry/log.ts'
import { DeltaWriter, MAX_CHUNK_ENTRIES, MAX_ENTRIES } from './delta-writer.ts'
import type { Job, Outcome } from '../src/job.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { Log } from '../src/telemetry/log.ts'
import type { MayRunReply } from '../src/redis/record/may-run.ts'
import type { Answers } from './answers.ts'
import type { Cancels } from './cancels.ts'
import type { Engine } from './engine.ts'
import type { ServerWatch } from './server-watch.ts'

/** A message from the queue. */
export interface Task {
  readonly job: Job
  readonly wireId: string
  /** Empty when the message names none. */
  readonly run: string
  readonly isRedelivered: boolean
  /** When the job's life is over, by `performance.now()`; absent where its message does not say. */
  readonly endsAt?: number
}

export interface AttemptOptions {
  readonly answers: Answers
  readonly cancels: Cancels
  readonly redis: RedisConnection
  readonly engine: Engine
  /** Of an engine that asks another program. */
  readonly server: ServerWatch | undefined
  readonly resultTtlMs: number
  readonly log: Log
  /** Rejects the attempt, whose job is then another worker's. */
  readonly stop: AbortSignal
}

/** For so long a job waits whose message does not say how long it lives. */
const UNKNOWN_LIFE_MS = 3_600_000

/** Why an engine is aborted whose job no client wants any more: unlike a stopped one, it is over. */
const CANCELLED = new DOMException('the job was cancelled', 'AbortError')

/** One try of this worker at a job: whether it should run at all, the engine, the result. */
export async function attempt(task: Task, options: AttemptOptions): Promise<void> {
  const { job, wireId, run } = task
  const { answers, log } = options
  const started = performance.now()
  const end = await engineEnd(task, options)
  const ms = (): number => Math.round(performance.now() - started)
  if (typeof end === 'string') log.info({ job: job.id, reason: end }, 'job.skipped')
  else if (end === undefined) log.info({ job: job.id, ms: ms() }, 'job.cancelled')
  else {
    const written = await answers.write(wireId, run, end)
    // The type alone: a failure's message may quote what a user wrote.
    const failure = end.kind === 'failed' ? { failure: end.type } : {}
    log.info({ job: job.id, outcome: end.kind, ...failure, ms: ms(), written }, 'job.done')
  }
}

/** Its outcome, `undefined` if the job was cancelled meanwhile, or the reason why the engine was not started. */
async function engineEnd(
  task: Task,
  options: AttemptOptions,
): Promise<Outcome | MayRunReply | undefined> {
  const { wireId, run, isRedelivered } = task
  const { answers, cancels, stop } = options
  stop.throwIfAborted()
  // Of this job's own, so that nothing of it hangs on the worker's signal when it has ended.
  const abort = new AbortController()
  const onStop = (): void => abort.abort(stop.reason)
  stop.addEventListener('abort', onStop)
  const watch = cancels.watch(answers.keysOf(wireId), run, () => abort.abort(CANCELLED))
  try {
    const reply = await answers.mayRun(wireId, run, isRedelivered)
    if (reply !== 'run') return reply
    abort.signal.throwIfAborted()
    const outcome = await runUntilEnd(task, options, abort.signal)
    return abort.signal.reason === CANCELLED ? undefined : outcome
  } catch (error) {
    if (abort.signal.reason === CANCELLED) return undefined
    throw error
  } finally {
    watch.end()
    stop.removeEventListener('abort', onStop)
  }
}

/** Once more where the engine's server was away and is back. */
async function runUntilEnd(
  task: Task,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const { isRedelivered, endsAt = performance.now() + UNKNOWN_LIFE_MS } = task
  const leftMs = (): number => endsAt - performance.now()
  for (;;) {
    const ttlMs = task.endsAt === undefined ? task.job.ttlMs : Math.max(1, leftMs())
    const outcome = await runEngine({ ...task, job: { ...task.job, ttlMs } }, options, signal)
    const ended = { outcome, isRedelivered, leftMs: leftMs(), signal }
    if (!(await options.server?.shouldRunAgain(ended))) return outcome
  }
}

/** A fault of the engine is an outcome too: a client waits for one. Its deltas are written before it ends. */
async function runEngine(
  { job, wireId, run }: Task,
  { answers, engine, redis, resultTtlMs: ttlMs, log }: AttemptOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const keys = answers.keysOf(wireId)
  const most = job.request === undefined ? MAX_ENTRIES : MAX_CHUNK_ENTRIES
  const deltas = new DeltaWriter({ redis, keys, run, ttlMs, most, signal, log })
  try {
    return await engine.run(job, signal, (text, chunk) => deltas.add(text, chunk))
  } catch (error) {
    signal.throwIfAborted()
    log.error({ job: job.id, ...errorFields(error) }, 'job.engine_failed')
    return { kind: 'failed', type: 'worker_error', message: 'the engine failed unexpectedly' }
  } finally {
    await deltas.close()
  }
}

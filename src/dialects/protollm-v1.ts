import * as v from 'valibot'
import { defineDialect } from '../dialect.ts'
import { prefix } from '../setting.ts'
import {
  Answer,
  EXPIRED_MESSAGE,
  Failure,
  Task,
  bodyIn,
  decodeAnswer,
  decodeFailure,
  decodeKwargs,
  defaultsHeader,
  encodeAnswer,
  encodeKwargs,
  encodeTask,
  readWire,
  withAnswerBody,
} from './wire.ts'
import type { Delivery, Standing, Values } from '../dialect.ts'
import type { Job, Outcome } from '../job.ts'

/**
 * The wire format of protollm_api 1.0.x and its workers (LLM-core), as captured
 * from protollm_api `send_task` and protollm_worker `LLMWrap`:
 * `tests/dialects/fixtures/protollm-v1/captured.json`.
 *
 * A job is a JSON task. The result is `{"content": …}` in one key, and any
 * value there ends the job. That worker knows no failure. One that knows more may
 * write `usage`, `finish_reason` and `model` beside `content`, `error` instead of
 * it, and `run`. From 1.0.2 on it declares its queue durable, with 5 priorities.
 */
export const protollmV1 = defineDialect({
  settings: { REDIS_PREFIX: v.optional(prefix, 'llm-api') },
  create: ({ REDIS_PREFIX }) => ({
    name: 'protollm-v1',
    queue: { durable: false, arguments: {} },
    ends: 'any',
    mayAnswerTwice: false,
    // The models of protollm_sdk drop what they do not know.
    carriesMeta: true,
    ownsResultKeys: true,
    carriesBodies: true,
    resultKeys: (wireId) => [`${REDIS_PREFIX}:${wireId}`],
    encodeJob: (job, { wireId }) => encodeJob(job, wireId),
    decodeResult,
    decodeJob,
    encodeOutcome: (outcome, { run }) => [
      withAnswerBody(JSON.stringify({ ...encode(outcome), run }), outcome),
    ],
  }),
})

function encodeJob(job: Job, wireId: string): Delivery {
  const body = encodeTask(encodeKwargs(job, wireId), job)
  const priority = job.priority === null ? {} : { priority: job.priority }
  return { body, ...defaultsHeader(job), ...priority }
}

function decodeJob(delivery: Delivery, queue: string): { job: Job; wireId: string } {
  const text = delivery.body.toString()
  const { kwargs } = readWire(Task, text, 'message')
  const job = {
    ...decodeKwargs(kwargs, { queue, text, headers: delivery.headers, path: ['kwargs'] }),
    priority: delivery.priority ?? null,
  }
  return { job, wireId: kwargs.prompt.job_id }
}

const Result = v.object({
  ...Answer.entries,
  error: v.nullish(Failure),
  cancelled: v.nullish(v.literal(true)),
  run: v.nullish(v.string()),
})

function decodeResult([value]: Values): Standing {
  if (value === null || value === undefined) return 'queued'
  const result = readWire(Result, value, 'result')
  const run = result.run ?? undefined
  return { outcome: outcomeOf(result, value), ...(run !== undefined && { run }) }
}

function outcomeOf(result: v.InferOutput<typeof Result>, text: string): Outcome {
  if (result.cancelled) return { kind: 'cancelled' }
  if (result.error) return decodeFailure(result.error)
  return decodeAnswer(result, bodyIn(result, text))
}

function encode(outcome: Outcome): object {
  switch (outcome.kind) {
    case 'succeeded':
      return encodeAnswer(outcome)
    case 'failed': {
      const { kind: _, ...error } = outcome
      return { error }
    }
    case 'cancelled':
      return { cancelled: true }
    case 'expired':
      return { error: { type: 'expired', message: EXPIRED_MESSAGE } }
  }
}

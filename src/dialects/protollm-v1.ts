import * as v from 'valibot'
import { WireFormatError } from '../dialect.ts'
import type { Decoded, Delivery, Dialect, DialectSettings, RedisWrite } from '../dialect.ts'
import type { Job, Outcome } from '../job.ts'

/**
 * The wire format of protollm_api 1.0.x and its workers (LLM-core), as captured
 * from protollm_api `send_task` and protollm_worker `LLMWrap`:
 * `tests/dialects/fixtures/protollm-v1/captured.json`.
 *
 * A job is a JSON task; `/generate` is a chat of one message there too. The
 * result is `{"content": …}` in one key, and whatever stands there ends the job.
 * That worker knows no failure. One that knows more may write `usage`,
 * `finish_reason` and `model` beside `content`, `error` instead of it, and `run`.
 */
export function protollmV1({ prefix }: DialectSettings): Dialect {
  const resultKey = (wireId: string): string => `${prefix}:${wireId}`
  return {
    name: 'protollm-v1',
    queue: { durable: false, arguments: {} },
    anyResultEnds: true,
    resultKeys: (wireId) => [resultKey(wireId)],
    encodeJob,
    decodeResult,
    decodeJob,
    encodeOutcome: (wireId, outcome, run): RedisWrite[] => [
      { key: resultKey(wireId), value: JSON.stringify({ ...encode(outcome), run }) },
    ],
  }
}

function encodeJob(job: Job, wireId: string): Delivery {
  const { temperature, tokensLimit, stopWords, model } = job.meta
  const prompt = {
    job_id: wireId,
    meta: { temperature, tokens_limit: tokensLimit, stop_words: stopWords, model },
    messages: job.messages,
  }
  const task = {
    type: 'task',
    task: 'generate',
    args: [],
    kwargs: { prompt, prompt_type: 'chat_completion' },
    id: wireId,
    retries: 0,
    eta: null,
  }
  return { body: Buffer.from(JSON.stringify(task)) }
}

const nullable = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema), null)

const Task = v.object({
  kwargs: v.object({
    prompt: v.object({
      job_id: v.string(),
      meta: v.object({
        temperature: nullable(v.number()),
        tokens_limit: nullable(v.number()),
        stop_words: nullable(v.array(v.string())),
        model: nullable(v.string()),
      }),
      messages: v.array(v.object({ role: v.string(), content: v.string() })),
    }),
  }),
})

function decodeJob(delivery: Delivery, queue: string): { job: Job; wireId: string } {
  const { prompt } = read(Task, delivery.body.toString(), 'message').kwargs
  const { temperature, tokens_limit: tokensLimit, stop_words: stopWords, model } = prompt.meta
  const job: Job = {
    id: prompt.job_id,
    owner: '',
    queue,
    messages: prompt.messages,
    meta: { temperature, tokensLimit, stopWords, model },
    priority: null,
    source: 'local',
  }
  return { job, wireId: prompt.job_id }
}

const Failure = v.object({
  type: v.fallback(v.string(), 'Error'),
  message: v.fallback(v.string(), ''),
})
/** Extras that are not of their type are dropped: they are not worth an answer. */
const Result = v.object({
  content: v.nullish(v.string()),
  error: v.nullish(Failure),
  cancelled: v.nullish(v.literal(true)),
  run: v.nullish(v.string()),
  finish_reason: v.fallback(v.nullish(v.string()), undefined),
  model: v.fallback(v.nullish(v.string()), undefined),
  usage: v.fallback(
    v.nullish(v.object({ prompt_tokens: v.number(), completion_tokens: v.number() })),
    undefined,
  ),
})

function decodeResult([value]: readonly (string | null)[]): Decoded | undefined {
  if (value === null || value === undefined) return undefined
  const result = read(Result, value, 'result')
  const run = result.run ?? undefined
  return { outcome: outcomeOf(result), ...(run !== undefined && { run }) }
}

function outcomeOf(result: v.InferOutput<typeof Result>): Outcome {
  if (result.cancelled) return { kind: 'cancelled' }
  if (result.error) return { kind: 'failed', ...result.error }
  const { content, usage, finish_reason: finishReason, model } = result
  if (typeof content !== 'string') throw new WireFormatError('the result has no content')
  return {
    kind: 'succeeded',
    content,
    ...(usage && {
      usage: { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens },
    }),
    ...(typeof finishReason === 'string' && { finishReason }),
    ...(typeof model === 'string' && { model }),
  }
}

function encode(outcome: Outcome): object {
  switch (outcome.kind) {
    case 'succeeded': {
      const { content, usage, finishReason, model } = outcome
      return {
        content,
        usage: usage && {
          prompt_tokens: usage.promptTokens,
          completion_tokens: usage.completionTokens,
        },
        finish_reason: finishReason,
        model,
      }
    }
    case 'failed':
      return { error: { type: outcome.type, message: outcome.message } }
    case 'cancelled':
      return { cancelled: true }
    case 'expired':
      return { error: { type: 'expired', message: 'the job expired before it was started' } }
  }
}

/** The problem is told by its place, never by its value: both may hold what a user wrote. */
function read<T extends v.GenericSchema>(schema: T, text: string, what: string): v.InferOutput<T> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new WireFormatError(`the ${what} is not JSON`)
  }
  const parsed = v.safeParse(schema, json)
  if (parsed.success) return parsed.output
  const place = v.getDotPath(parsed.issues[0]) ?? 'itself'
  throw new WireFormatError(`the ${what} is not of its form at ${place}`)
}

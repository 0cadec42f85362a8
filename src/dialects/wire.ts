import * as v from 'valibot'
import { WireFormatError } from '../errors.ts'
import { ownerOf, plainId } from '../job.ts'
import type { Delivery } from '../dialect.ts'
import type { Job, Outcome } from '../job.ts'

/** What several kinds of worker have in common on the wire. */

/**
 * The JSON text of a message or result, checked. The problem is told by its place,
 * never by its value: both may hold what a user wrote.
 */
export function readWire<T extends v.GenericSchema>(
  schema: T,
  text: string,
  what: 'message' | 'result',
): v.InferOutput<T> {
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

const nullable = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema), null)

/** What `protollm_sdk` calls a ChatCompletionTransactionModel: the keyword arguments of every such task. */
export const Kwargs = v.object({
  prompt: v.object({
    job_id: v.string(),
    priority: nullable(v.number()),
    source: v.optional(v.string(), 'local'),
    meta: v.object({
      temperature: nullable(v.number()),
      tokens_limit: nullable(v.number()),
      stop_words: nullable(v.array(v.string())),
      model: nullable(v.string()),
    }),
    messages: v.array(v.object({ role: v.string(), content: v.string() })),
  }),
})

/** What protollm_api puts in place of what its client did not say. */
const DEFAULTS = { temperature: 0.2, tokens_limit: 8096 } as const

/** `/generate` is a chat of one message on the wire, too. `extra` is what newer ones have besides. */
export function encodeKwargs(job: Job, wireId: string, extra: object = {}) {
  const { temperature = DEFAULTS.temperature, stopWords, model } = job.meta
  const { tokensLimit = DEFAULTS.tokens_limit } = job.meta
  const meta = { temperature, tokens_limit: tokensLimit, stop_words: stopWords, model }
  const prompt = { job_id: wireId, ...extra, meta, messages: job.messages }
  return { prompt, prompt_type: 'chat_completion' }
}

/**
 * Names the fields of `meta` whose values are defaults, separated by commas. A header and no
 * field of the body: a worker that does not know it sees what it has always seen.
 */
const DEFAULTS_HEADER = 'gateway_defaults'

/** Headers that say what the client left open; none where it said everything. */
export function defaultsHeader({ meta }: Job): { readonly headers?: Record<string, string> } {
  const open = [
    ...(meta.temperature === undefined ? ['temperature'] : []),
    ...(meta.tokensLimit === undefined ? ['tokens_limit'] : []),
  ]
  return open.length === 0 ? {} : { headers: { [DEFAULTS_HEADER]: open.join() } }
}

/** The job as its client asked for it: what the headers call a default is left open again. */
export function decodeKwargs(
  { prompt }: v.InferOutput<typeof Kwargs>,
  queue: string,
  headers: Delivery['headers'] = {},
): Job {
  const named = headers[DEFAULTS_HEADER]
  const open = typeof named === 'string' ? named.split(',') : []
  const { stop_words: stopWords, model } = prompt.meta
  const temperature = open.includes('temperature') ? undefined : prompt.meta.temperature
  const tokensLimit = open.includes('tokens_limit') ? undefined : prompt.meta.tokens_limit
  return {
    id: plainId(prompt.job_id),
    owner: ownerOf(prompt.job_id),
    queue,
    messages: prompt.messages,
    meta: { temperature, tokensLimit, stopWords, model },
    priority: prompt.priority,
    source: prompt.source,
  }
}

/** The task as protollm_api's own JSON has it, in both generations. */
export const Task = v.object({ kwargs: Kwargs })

export function encodeTask(kwargs: ReturnType<typeof encodeKwargs>): Buffer {
  const id = kwargs.prompt.job_id
  const task = { type: 'task', task: 'generate', args: [], kwargs, id, retries: 0, eta: null }
  return Buffer.from(JSON.stringify(task))
}

/** An answer and what a worker may report beside it. Extras that are not of their type are dropped: they are not worth an answer. */
export const Answer = v.object({
  content: v.nullish(v.string()),
  finish_reason: v.fallback(v.nullish(v.string()), undefined),
  model: v.fallback(v.nullish(v.string()), undefined),
  usage: v.fallback(
    v.nullish(v.object({ prompt_tokens: v.number(), completion_tokens: v.number() })),
    undefined,
  ),
})

export function decodeAnswer(answer: v.InferOutput<typeof Answer>): Outcome {
  const { content, usage, finish_reason: finishReason, model } = answer
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

export function encodeAnswer(outcome: Extract<Outcome, { kind: 'succeeded' }>): object {
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

export const EXPIRED_MESSAGE = 'the job expired before it was started'

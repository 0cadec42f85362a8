import * as v from 'valibot'
import { WireFormatError } from '../errors.ts'
import { ownerOf, plainId } from '../job.ts'
import { sourceAt, withMembers, withSourceAt } from '../json-source.ts'
import type { Delivery } from '../dialect.ts'
import type { EngineRequest, Job, Outcome } from '../job.ts'

/** What several kinds of worker have in common on the wire. */

/**
 * The JSON text of a message or result, checked. The problem is named by its place,
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

/** `looseObject` would take a list for an object, too. */
const JsonObject = v.custom<object>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)

/** What `protollm_sdk` calls a ChatCompletionTransactionModel: the keyword arguments of every such task. */
export const Kwargs = v.object({
  prompt: v.object({
    job_id: v.string(),
    priority: nullable(v.number()),
    source: v.optional(v.string(), 'local'),
    meta: v.looseObject({
      temperature: nullable(v.number()),
      tokens_limit: nullable(v.number()),
      stop_words: nullable(v.array(v.string())),
      model: nullable(v.string()),
    }),
    messages: v.array(v.object({ role: v.string(), content: v.string() })),
    request: v.nullish(v.object({ endpoint: v.string(), body: JsonObject })),
  }),
})

/** What protollm_api puts in place of what its client did not say. */
const DEFAULTS = { temperature: 0.2, tokens_limit: 8096 } as const

/** `/generate` is a chat of one message on the wire, too. `extra` is what newer ones have besides. */
export function encodeKwargs(job: Job, wireId: string, extra: object = {}) {
  const { temperature = DEFAULTS.temperature, stopWords, model, more } = job.meta
  const { tokensLimit = DEFAULTS.tokens_limit } = job.meta
  const meta = { ...more, temperature, tokens_limit: tokensLimit, stop_words: stopWords, model }
  const { request } = job
  const carried = request && { request: { endpoint: request.endpoint, body: {} } }
  const prompt = { job_id: wireId, ...extra, meta, messages: job.messages, ...carried }
  return { prompt, prompt_type: 'chat_completion' }
}

/** The message with the body of the job's `request`, whose place is at a path of names and indexes. */
export function withBody(
  message: string,
  { request }: Job,
  ...toKwargs: readonly (string | number)[]
): string {
  if (request === undefined) return message
  return withSourceAt(message, [...toKwargs, 'prompt', 'request', 'body'], request.body)
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

interface MessageOf {
  readonly queue: string
  /** The whole message. */
  readonly text: string
  readonly headers?: Delivery['headers']
  /** Where the keyword arguments are in it, as names and indexes. */
  readonly path: readonly (string | number)[]
}

/** The job as its client asked for it: what the headers call a default is left open again. */
export function decodeKwargs(
  { prompt }: v.InferOutput<typeof Kwargs>,
  { queue, text, headers = {}, path }: MessageOf,
): Job {
  const named = headers[DEFAULTS_HEADER]
  const open = typeof named === 'string' ? named.split(',') : []
  const { temperature: t, tokens_limit: limit, stop_words: stopWords, model, ...more } = prompt.meta
  const temperature = open.includes('temperature') ? undefined : t
  const tokensLimit = open.includes('tokens_limit') ? undefined : limit
  const hasMore = Object.keys(more).length > 0
  return {
    id: plainId(prompt.job_id),
    owner: ownerOf(prompt.job_id),
    queue,
    messages: prompt.messages,
    meta: { temperature, tokensLimit, stopWords, model, ...(hasMore && { more }) },
    priority: prompt.priority,
    source: prompt.source,
    ...(prompt.request && {
      request: requestIn(text, prompt.request.endpoint, [...path, 'prompt', 'request']),
    }),
  }
}

/** The body is taken from the text of the message and not from what was parsed of it. */
function requestIn(
  message: string,
  endpoint: string,
  path: readonly (string | number)[],
): EngineRequest {
  return { endpoint, body: sourceAt(message, [...path, 'body']) ?? '{}' }
}

/** The task as protollm_api's own JSON has it, in both generations. */
export const Task = v.object({ kwargs: Kwargs })

export function encodeTask(kwargs: ReturnType<typeof encodeKwargs>, job: Job): Buffer {
  const id = kwargs.prompt.job_id
  const task = { type: 'task', task: 'generate', args: [], kwargs, id, retries: 0, eta: null }
  return Buffer.from(withBody(JSON.stringify(task), job, 'kwargs'))
}

const optional = <T extends v.GenericSchema>(schema: T) =>
  v.fallback(v.nullish(schema), undefined as never)

/** An answer and what a worker may report beside it. Extras that are not of their type are dropped: they are not worth an answer. */
export const Answer = v.object({
  content: v.nullish(v.string()),
  finish_reason: v.fallback(v.nullish(v.string()), undefined),
  model: v.fallback(v.nullish(v.string()), undefined),
  usage: v.fallback(
    v.nullish(v.object({ prompt_tokens: v.number(), completion_tokens: v.number() })),
    undefined,
  ),
  body: v.nullish(JsonObject),
})

/** `body`: its source text, where the worker carries bodies. */
export function decodeAnswer(answer: v.InferOutput<typeof Answer>, body?: string): Outcome {
  const { content, usage, finish_reason: finishReason, model } = answer
  if (typeof content !== 'string' && body === undefined) {
    throw new WireFormatError('the result has no content')
  }
  return {
    kind: 'succeeded',
    content: content ?? '',
    ...(usage && {
      usage: { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens },
    }),
    ...(typeof finishReason === 'string' && { finishReason }),
    ...(typeof model === 'string' && { model }),
    ...(body !== undefined && { body }),
  }
}

/** The source text of an answer's `body`, which is at a path of the result. */
export function bodyIn(
  answer: v.InferOutput<typeof Answer>,
  result: string,
  ...path: readonly string[]
): string | undefined {
  return answer.body ? sourceAt(result, [...path, 'body']) : undefined
}

/** The JSON text of a result, with the outcome's `body` in the answer, which is at a path of it. */
export function withAnswerBody(
  result: string,
  outcome: Outcome,
  ...path: readonly string[]
): string {
  const body = outcome.kind === 'succeeded' ? outcome.body : undefined
  if (body === undefined) return result
  const answer = sourceAt(result, path) ?? '{}'
  return withSourceAt(result, path, withMembers(answer, { body }))
}

/** What a worker tells of a failure. `status`, `code` and `param` are those of its engine. */
export const Failure = v.object({
  type: v.fallback(v.string(), 'Error'),
  message: v.fallback(v.string(), ''),
  status: optional(v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599))),
  code: optional(v.string()),
  param: optional(v.string()),
})

export function decodeFailure(failure: v.InferOutput<typeof Failure>): Outcome {
  const { type, message, status, code, param } = failure
  return {
    kind: 'failed',
    type,
    message,
    ...(typeof status === 'number' && { status }),
    ...(typeof code === 'string' && { code }),
    ...(typeof param === 'string' && { param }),
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

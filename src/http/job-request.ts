import * as v from 'valibot'
import { MAX_ITEMS, object, readJson, validate } from './body.ts'
import { InvalidRequest } from './errors.ts'
import type { Context } from 'hono'
import type { Job, JobMeta } from '../job.ts'
import type { HttpEnv } from './context.ts'
import type { Problem } from './errors.ts'

/** No id is `.` or `..`, which a path would swallow, nor has characters that mean something in a key or URL. */
export const JobId = v.pipe(
  v.string(),
  v.regex(
    /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/,
    'String should be 1 to 128 of A-Z a-z 0-9 . _ ~ - and neither . nor ..',
  ),
  v.description('Chosen by the client; the same id and payload again join or replay the job'),
)
export const nullable = <T extends v.GenericSchema, D>(schema: T, fallback: D) =>
  v.optional(v.nullable(schema), fallback as never)
export const wholeNumber = (min: number, max: number) =>
  v.pipe(
    v.number(),
    v.integer(),
    v.minValue(min, `Input should be greater than or equal to ${min}`),
    v.maxValue(max, `Input should be less than or equal to ${max}`),
  )
export const Meta = object({
  temperature: nullable(v.pipe(v.number(), v.finite()), 0.2),
  tokens_limit: nullable(wholeNumber(-(2 ** 31), 2 ** 31 - 1), 8096),
  stop_words: nullable(v.pipe(v.array(v.string()), v.maxLength(MAX_ITEMS)), null),
  model: nullable(v.string(), null),
})
export const Priority = nullable(wholeNumber(0, 255), null)
const Message = object({ role: v.string(), content: v.string() })
export const Messages = v.pipe(
  v.array(Message),
  v.minLength(1, 'List should have at least 1 item after validation, not 0'),
  v.maxLength(MAX_ITEMS),
)

export interface RequestOptions {
  /** The first is used when a request names none; no other than these is taken. */
  readonly queues: readonly [string, ...string[]]
  readonly maxBodyBytes: number
}

/** The body and its problems; the caller may know of more. */
export async function readBody<T extends v.GenericSchema<unknown, object>>(
  c: Context<HttpEnv>,
  schema: T,
  { maxBodyBytes }: RequestOptions,
): Promise<ReturnType<typeof validate<T>>> {
  return validate(schema, await readJson(c, maxBodyBytes))
}

/** What is wrong with a queue's name, if it is none of ours. */
export function queueProblem(
  queue: string,
  loc: readonly string[],
  { queues }: RequestOptions,
): Problem[] {
  if (queues.includes(queue)) return []
  const msg = `Input should be ${queues.map((name) => `'${name}'`).join(' or ')}`
  return [{ type: 'enum', loc, msg, input: queue }]
}

/** The value, or an InvalidRequest with all its problems at once. */
export function validOrThrow<T>(
  body: { readonly value: T } | { readonly problems: readonly Problem[] },
  more: readonly Problem[],
): T {
  if ('problems' in body) throw new InvalidRequest([...body.problems, ...more])
  if (more.length > 0) throw new InvalidRequest(more)
  return body.value
}

export function metaOf(meta: v.InferOutput<typeof Meta>): JobMeta {
  const { temperature, tokens_limit: tokensLimit, stop_words: stopWords, model } = meta
  return { temperature, tokensLimit, stopWords, model }
}

/** As an Idempotency-Key makes them. */
const DERIVED_ID = /^key-[\w-]{43}$/

/** An id that was made of a key stands for one payload alone, also for whoever gives it as a job_id. */
export const givenId = (id: string): Pick<Job, 'id' | 'idKind'> =>
  DERIVED_ID.test(id) ? { id, idKind: 'derived' } : { id }

/** Whose all jobs are as long as the gateway is open to everybody. */
export const OWNER: Job['owner'] = ''

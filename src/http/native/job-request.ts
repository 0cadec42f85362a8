import * as v from 'valibot'
import { MAX_ITEMS, readJson } from '../body.ts'
import { CHOSEN_ID } from '../job-id.ts'
import { InvalidRequest, invalidFieldOf } from './validation.ts'
import type { Context } from 'hono'
import type { JobMeta } from '../../job.ts'
import type { AppOptions } from '../app-options.ts'
import type { HttpEnv } from '../context.ts'
import type { MoreMeta } from './unknown-fields.ts'
import type { InvalidField } from './validation.ts'

/** A JSON object. `v.object` alone accepts an array as well. */
export const object = <T extends v.ObjectEntries>(entries: T) =>
  v.pipe(
    v.custom<v.InferInput<v.ObjectSchema<T, undefined>>>((value) => !Array.isArray(value)),
    v.object(entries),
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

export const JobId = v.pipe(
  v.string(),
  v.regex(
    CHOSEN_ID,
    'String should be 1 to 128 of A-Z a-z 0-9 . _ ~ - and neither . nor .., and not begin with resp_',
  ),
  v.description(
    'Chosen by the client. The same id with the same payload joins the job or gets its outcome',
  ),
)

/** Without a default here: the worker has to know what the client did not say. */
const orLeftOpen = <T extends v.GenericSchema>(schema: T, protollm: string) =>
  v.pipe(
    v.optional(v.nullable(schema)),
    v.description(
      `Left out: ${protollm} for protollm and Celery workers, and for the stub whatever its own server does`,
    ),
  )

export const Meta = object({
  temperature: orLeftOpen(v.pipe(v.number(), v.finite()), '0.2'),
  tokens_limit: orLeftOpen(wholeNumber(-(2 ** 31), 2 ** 31 - 1), '8096'),
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

type Body<T> =
  | { readonly value: T; /** As it was sent. */ readonly raw: unknown }
  | { readonly fields: readonly InvalidField[] }

/** The body in the form of the schema, or everything that is wrong with it. */
export function validate<T extends v.GenericSchema>(
  schema: T,
  value: unknown,
): Body<v.InferOutput<T>> {
  const parsed = v.safeParse(schema, value, { abortPipeEarly: true })
  if (parsed.success) return { value: parsed.output, raw: value }
  return { fields: parsed.issues.map((issue) => invalidFieldOf(issue, value)) }
}

/** The validated body, or what is wrong with it: the caller may find more faults in the query and the headers. */
export async function readBody<T extends v.GenericSchema<unknown, object>>(
  c: Context<HttpEnv>,
  schema: T,
  { maxBodyBytes }: Pick<AppOptions, 'maxBodyBytes'>,
): Promise<Body<v.InferOutput<T>>> {
  return validate(schema, await readJson(c, maxBodyBytes))
}

/** The valid body, or an InvalidRequest with everything that is wrong with the body, the query and the headers. */
export function validOrThrow<T>(
  body: Body<T>,
  others: readonly InvalidField[],
): Extract<Body<T>, { value: T }> {
  if ('value' in body && others.length === 0) return body
  throw new InvalidRequest('fields' in body ? [...body.fields, ...others] : others)
}

/** Empty if the gateway has this queue. */
export function invalidQueue(
  queue: string,
  loc: readonly string[],
  { queues }: Pick<AppOptions, 'queues'>,
): InvalidField[] {
  if (queues.includes(queue)) return []
  const msg = `Input should be ${queues.map((name) => `'${name}'`).join(' or ')}`
  return [{ type: 'enum', loc, msg, input: queue }]
}

/** What the client left out stays `undefined`. */
export function metaOf(meta: v.InferOutput<typeof Meta>, more: MoreMeta): JobMeta {
  const { temperature, tokens_limit: tokensLimit, stop_words: stopWords, model } = meta
  return { temperature, tokensLimit, stopWords, model, ...(more && { more }) }
}

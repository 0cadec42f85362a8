import * as v from 'valibot'
import { EVENT_ID } from '../../gateway/event-log.ts'
import { headerOf, headersOf } from '../context.ts'
import { idFromKey, newId } from '../job-id.ts'
import { OWNER } from '../../job.ts'
import {
  JobId,
  Messages,
  Meta,
  Priority,
  invalidQueue,
  metaOf,
  nullable,
  object,
  readBody,
  validOrThrow,
  wholeNumber,
} from '../native/job-request.ts'
import { takeUnknown } from '../native/unknown-fields.ts'
import { InvalidRequest } from '../native/validation.ts'
import type { Context } from 'hono'
import type { Job } from '../../job.ts'
import type { AppOptions } from '../app-options.ts'
import type { HttpEnv } from '../context.ts'
import type { InvalidField } from '../native/validation.ts'

/** As it stands in the header: not empty, also not between quotes. */
export const IDEMPOTENCY_KEY = /^(?!""$)[!-~][ -~]{0,254}$/
/** A string of RFC 9651, the form that the draft of the header asks for. */
const QUOTED_KEY = /^"((?:[^"\\]|\\["\\])*)"$/
export const MAX_TTL_S = 365 * 86_400
export const ttlUpTo = (seconds: number) =>
  nullable(
    v.pipe(
      wholeNumber(1, seconds),
      v.description('Seconds the job may wait and run. Without it, as many as the gateway allows'),
    ),
    null,
  )
export const JobRequest = v.pipe(
  object({
    job_id: nullable(JobId, null),
    content: nullable(v.string(), null),
    messages: nullable(Messages, null),
    meta: v.optional(Meta, {}),
    priority: Priority,
    source: v.optional(v.string(), 'local'),
    queue_name: nullable(v.string(), null),
    ttl: ttlUpTo(MAX_TTL_S),
  }),
  v.check(
    ({ content, messages }) => (content === null) !== (messages === null),
    'send either content or messages, not both',
  ),
)

/** Reads the job from body and headers. Throws an InvalidRequest with everything that is wrong with both. */
export async function readJob(c: Context<HttpEnv>, options: AppOptions): Promise<Job> {
  const body = await readBody(c, JobRequest, options)
  const keys = headersOf(c, 'idempotency-key')
  const given = 'value' in body ? body.value : undefined
  const queue = given?.queue_name ?? options.queues[0]
  const valid = validOrThrow(body, [
    ...invalidQueue(queue, ['body', 'queue_name'], options),
    ...invalidTtl(given?.ttl, options.limits.jobTtlMs / 1000),
    ...invalidKey(keys, given?.job_id),
  ])
  const request = valid.value
  const { content, meta, priority, source, ttl } = request
  const more = takeUnknown(c, valid, options)
  return {
    id: idOf(request.job_id, keys[0]),
    owner: OWNER,
    queue,
    messages: request.messages ?? [{ role: 'user', content: content as string }],
    meta: metaOf(meta, more),
    priority,
    source,
    ttlMs: ttl === null ? undefined : ttl * 1000,
  }
}

function invalidTtl(ttl: number | null | undefined, max: number): InvalidField[] {
  if (ttl == null || ttl <= max) return []
  const msg = `Input should be less than or equal to ${max}`
  return [{ type: 'less_than_equal', loc: ['body', 'ttl'], msg, input: ttl }]
}

function invalidKey(keys: readonly string[], id: string | null | undefined): InvalidField[] {
  const [key] = keys
  if (key === undefined) return []
  const invalid: InvalidField[] = []
  const loc = ['header', 'idempotency-key']
  if (keys.length > 1) {
    const msg = 'Send the header once'
    invalid.push({ type: 'value_error', loc, msg, input: keys.join(', ') })
  } else if (!IDEMPOTENCY_KEY.test(key)) {
    const msg = 'String should be 1 to 255 printable characters'
    invalid.push({ type: 'string_pattern_mismatch', loc, msg, input: key })
  }
  if (id != null) {
    const msg = 'Send either a job_id or an Idempotency-Key, not both'
    invalid.push({ type: 'value_error', loc: ['body', 'job_id'], msg, input: id })
  }
  return invalid
}

const idOf = (given: string | null, key: string | undefined): string =>
  given ?? (key === undefined ? newId() : idFromKey(unquoted(key)))

/** `"order 7"` and `order 7` are one key: some clients write the quotes of the draft, others do not. */
function unquoted(key: string): string {
  const [, inside] = QUOTED_KEY.exec(key) ?? []
  return inside === undefined ? key : inside.replace(/\\(.)/g, '$1')
}

/**
 * The last event that the client has received: from the header, else from `lastEventId` in the
 * query, where a polyfill of EventSource writes it, else from `after`. What a client adds when it
 * reconnects goes before what its first URL has. An empty value counts as absent.
 */
export function lastEventOf(c: Context<HttpEnv>): string | undefined {
  const given = [
    { loc: ['header', 'last-event-id'], input: headerOf(c, 'last-event-id') },
    { loc: ['query', 'lastEventId'], input: c.req.query('lastEventId') },
    { loc: ['query', 'after'], input: c.req.query('after') },
  ].filter(({ input }) => input)
  const wrong = given.filter(({ input = '' }) => !EVENT_ID.test(input))
  if (wrong.length === 0) return given[0]?.input
  const msg = 'Input should be the id of an event of this job'
  throw new InvalidRequest(wrong.map((one) => ({ type: 'value_error', msg, ...one })))
}

import { Hono } from 'hono'
import * as v from 'valibot'
import { GatewayError } from '../../errors.ts'
import { clientOf, preferenceIn, replayed, serverTiming } from '../context.ts'
import { accepted, viewAfter } from '../native/accepted.ts'
import { booleanOf } from '../boolean.ts'
import { jobEvents } from '../native/job-events.ts'
import {
  JobId,
  Messages,
  Meta,
  Priority,
  invalidQueue,
  metaOf,
  object,
  readBody,
  validOrThrow,
} from '../native/job-request.ts'
import { takeUnknown } from '../native/unknown-fields.ts'
import { OWNER } from '../../job.ts'
import { jobLocation } from '../location.ts'
import { sendEvents } from '../sse.ts'
import type { Context } from 'hono'
import type { Answer } from '../../gateway/gateway.ts'
import type { Job } from '../../job.ts'
import type { AppOptions } from '../app-options.ts'
import type { HttpEnv } from '../context.ts'
import type { MoreMeta } from '../native/unknown-fields.ts'
import type { Preference } from '../prefer.ts'

export const GenerateRequest = object({
  job_id: JobId,
  priority: Priority,
  meta: Meta,
  content: v.string(),
})
export const ChatRequest = object({
  job_id: JobId,
  priority: Priority,
  source: v.optional(v.string(), 'local'),
  meta: Meta,
  messages: Messages,
})

/** The two routes of protollm_api. Its clients need no change, but get an honest status where it answers 200. */
export function protollmRoutes(options: AppOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  routes.post('/generate', async (c) => {
    const { value, more, queue, isStream } = await readRequest(c, GenerateRequest, options)
    // protollm_api also sends the prompt as a chat of one message.
    const messages = [{ role: 'user', content: value.content }]
    const job = jobOf(value, { more, queue, messages, source: 'local' })
    return isStream ? stream(c, job, options) : answer(c, job, options)
  })
  routes.post('/chat_completion', async (c) => {
    const { value, more, queue, isStream } = await readRequest(c, ChatRequest, options)
    const { messages, source } = value
    const job = jobOf(value, { more, queue, messages, source })
    return isStream ? stream(c, job, options) : answer(c, job, options)
  })
  return routes
}

interface ProtollmRequest<T> {
  readonly value: T
  readonly more: MoreMeta
  readonly queue: string
  readonly isStream: boolean
}

/** Reads body and query. Throws an InvalidRequest with everything that is wrong with both. */
async function readRequest<T extends v.GenericSchema<unknown, object>>(
  c: Context<HttpEnv>,
  schema: T,
  options: Pick<AppOptions, 'queues' | 'maxBodyBytes' | 'carriesMeta'>,
): Promise<ProtollmRequest<v.InferOutput<T>>> {
  const body = await readBody(c, schema, options)
  const queue = c.req.query('queue_name') ?? options.queues[0]
  const stream = c.req.query('stream') ?? 'false'
  const isStream = booleanOf(stream)
  const invalid = invalidQueue(queue, ['query', 'queue_name'], options)
  if (isStream === undefined) {
    const msg = 'Input should be a valid boolean, unable to interpret input'
    invalid.push({ type: 'bool_parsing', loc: ['query', 'stream'], msg, input: stream })
  }
  const valid = validOrThrow(body, invalid)
  const more = takeUnknown(c, valid, options)
  return { value: valid.value, more, queue, isStream: isStream === true }
}

function jobOf(
  request: Pick<v.InferOutput<typeof GenerateRequest>, 'job_id' | 'priority' | 'meta'>,
  {
    more,
    queue,
    messages,
    source,
  }: Pick<Job, 'queue' | 'messages' | 'source'> & { readonly more: MoreMeta },
): Job {
  const { job_id, priority, meta } = request
  return { id: job_id, owner: OWNER, queue, messages, meta: metaOf(meta, more), priority, source }
}

/** Answers with the content, or with the place to find the job if the client prefers that. */
async function answer(c: Context<HttpEnv>, job: Job, options: AppOptions): Promise<Response> {
  const { gateway } = options
  c.env.jobId = job.id
  const preference = preferenceIn(c, options.limits.timeoutMs)
  if (preference.isAsync) {
    const { view, isReplay } = await gateway.submit(job)
    return accepted(c, view, preference, { status: 202, headers: replayed(isReplay) })
  }
  const { waitMs } = preference
  const isKept = waitMs !== undefined
  try {
    const client = clientOf(c.env.outgoing)
    const found = await gateway.run(job, { client, waitMs, isKept, mayReturn: true })
    return content(job, found, preference)
  } catch (error) {
    if (!isKept || !(error instanceof GatewayError) || error.code !== 'timed_out') throw error
    const view = await viewAfter(error, job, () => gateway.view(job))
    return accepted(c, view, preference, { status: 202 })
  }
}

/** Answers with the events of the job. When the client leaves, the job keeps running and can be resumed at /jobs. */
async function stream(c: Context<HttpEnv>, job: Job, options: AppOptions): Promise<Response> {
  const { gateway, log } = options
  c.env.jobId = job.id
  const events = gateway.stream(job, { client: clientOf(c.env.outgoing) })
  return sendEvents(c, events, jobEvents(c, log), {
    location: jobLocation(c.req.path, job.id),
  })
}

function content(
  { id }: Job,
  { outcome, isReplay, stages }: Answer,
  { applied }: Preference,
): Response {
  switch (outcome.kind) {
    case 'succeeded':
      // Plain headers, which the Node server writes as they are. Hono's context would build a Headers object first.
      return new Response(JSON.stringify({ content: outcome.content }), {
        headers: {
          'content-type': 'application/json',
          'x-job-id': id,
          'server-timing': serverTiming(stages),
          ...replayed(isReplay),
          ...(applied !== undefined && { 'preference-applied': applied }),
        },
      })
    case 'failed':
      throw new GatewayError('worker_failed', `${outcome.type}: ${outcome.message}`)
    case 'cancelled':
      throw new GatewayError('job_cancelled', 'the job was cancelled')
    case 'expired':
      throw new GatewayError('job_expired', 'the job expired before it had an outcome')
  }
}

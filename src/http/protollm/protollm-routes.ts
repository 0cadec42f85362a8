import { Hono } from 'hono'
import * as v from 'valibot'
import { GatewayError } from '../../errors.ts'
import { accepted, replayed, serverTiming, viewAfter } from '../accepted.ts'
import { headerOf, object } from '../body.ts'
import { clientOf } from '../context.ts'
import { sendEvents } from '../job-events.ts'
import {
  JobId,
  Messages,
  Meta,
  OWNER,
  Priority,
  givenId,
  metaOf,
  queueProblem,
  readBody,
  validOrThrow,
} from '../job-request.ts'
import { preferenceOf } from '../prefer.ts'
import type { Context } from 'hono'
import type { Answer, Gateway } from '../../gateway/gateway.ts'
import type { Jobs } from '../../gateway/jobs.ts'
import type { Job } from '../../job.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HttpEnv } from '../context.ts'
import type { Problem } from '../errors.ts'
import type { RequestOptions } from '../job-request.ts'
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
export const ContentResponse = v.object({ content: v.string() })

export interface ProtollmOptions extends RequestOptions {
  readonly gateway: Pick<Gateway, 'run' | 'submit'>
  readonly jobs: Pick<Jobs, 'view' | 'admit' | 'follow'>
  readonly limits: { readonly timeoutMs: number }
  readonly log: Log
}

/** The two routes of protollm_api, for its clients: drop-in, but with honest statuses. */
export function protollmRoutes(options: ProtollmOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  routes.post('/generate', async (c) => {
    const { value, queue, isStream } = await readRequest(c, GenerateRequest, options)
    // As protollm_api does it: a chat of one message.
    const messages = [{ role: 'user', content: value.content }]
    const job = jobOf(value, { queue, messages, source: 'local' })
    return isStream ? stream(c, job, options) : answer(c, job, options)
  })
  routes.post('/chat_completion', async (c) => {
    const { value, queue, isStream } = await readRequest(c, ChatRequest, options)
    const { messages, source } = value
    const job = jobOf(value, { queue, messages, source })
    return isStream ? stream(c, job, options) : answer(c, job, options)
  })
  return routes
}

/** Body and query, or an InvalidRequest with all their problems at once. */
async function readRequest<T extends v.GenericSchema<unknown, object>>(
  c: Context<HttpEnv>,
  schema: T,
  options: ProtollmOptions,
): Promise<{
  readonly value: v.InferOutput<T>
  readonly queue: string
  readonly isStream: boolean
}> {
  const body = await readBody(c, schema, options)
  const queue = c.req.query('queue_name') ?? options.queues[0]
  const stream = c.req.query('stream') ?? 'false'
  const problems: Problem[] = queueProblem(queue, ['query', 'queue_name'], options)
  if (stream !== 'true' && stream !== 'false') {
    const msg = "Input should be 'true' or 'false'"
    problems.push({ type: 'bool_parsing', loc: ['query', 'stream'], msg, input: stream })
  }
  return { value: validOrThrow(body, problems), queue, isStream: stream === 'true' }
}

function jobOf(
  request: Pick<v.InferOutput<typeof GenerateRequest>, 'job_id' | 'priority' | 'meta'>,
  { queue, messages, source }: Pick<Job, 'queue' | 'messages' | 'source'>,
): Job {
  const { job_id, priority, meta } = request
  return { ...givenId(job_id), owner: OWNER, queue, messages, meta: metaOf(meta), priority, source }
}

/** The outcome, or where to ask for it, if that is preferred. */
async function answer(c: Context<HttpEnv>, job: Job, options: ProtollmOptions): Promise<Response> {
  const { gateway, jobs } = options
  c.env.jobId = job.id
  const preference = preferenceOf(headerOf(c, 'prefer'), options.limits.timeoutMs)
  if (preference.isAsync) {
    const { view, isReplay } = await gateway.submit(job)
    return accepted(view, preference, { status: 202, headers: replayed(isReplay) })
  }
  const { waitMs } = preference
  const isKept = waitMs !== undefined
  try {
    const found = await gateway.run(job, { client: clientOf(c.env.outgoing), waitMs, isKept })
    return content(job, found, preference)
  } catch (error) {
    if (!isKept || !(error instanceof GatewayError) || error.code !== 'timed_out') throw error
    return accepted(await viewAfter(error, jobs, job), preference, { status: 202 })
  }
}

/** It goes on when this request is left: it can be resumed at its own place. */
async function stream(c: Context<HttpEnv>, job: Job, options: ProtollmOptions): Promise<Response> {
  const { gateway, jobs, log } = options
  c.env.jobId = job.id
  const client = clientOf(c.env.outgoing)
  // Before the publish: once it is accepted, nobody is told that it was not.
  const place = await jobs.admit(client)
  try {
    await gateway.submit(job)
    const events = jobs.follow(job, undefined, client, place)
    return await sendEvents(c, events, log, { location: `/jobs/${job.id}` }).catch(goesOn)
  } finally {
    place.leave()
  }
}

/** What is told when its events cannot be read, and it runs. */
function goesOn(cause: unknown): never {
  const { code } = cause as Partial<GatewayError>
  if (code !== 'results_down' && code !== 'not_found') throw cause
  throw new GatewayError('interrupted', 'its events cannot be read now; the job goes on', { cause })
}

function content(
  { id }: Job,
  { outcome, isReplay, stages }: Answer,
  { applied }: Preference,
): Response {
  switch (outcome.kind) {
    case 'succeeded':
      // Not by the context, which makes a Headers of these: the server writes them as they are.
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

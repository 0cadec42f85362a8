import { Hono } from 'hono'
import * as v from 'valibot'
import { GatewayError } from '../errors.ts'
import { headerOf, object } from './body.ts'
import { clientOf } from './client.ts'
import { sendEvents } from './events.ts'
import {
  JobId,
  Messages,
  Meta,
  OWNER,
  Priority,
  metaOf,
  queueProblem,
  readBody,
  validOrThrow,
} from './job-request.ts'
import { jobJson } from './job-json.ts'
import { preferenceOf } from './prefer.ts'
import type { Context } from 'hono'
import type { Answer, Gateway, Stages } from '../gateway.ts'
import type { Jobs } from '../jobs.ts'
import type { Job, JobView } from '../job.ts'
import type { Log } from '../telemetry/log.ts'
import type { HttpEnv } from './env.ts'
import type { Problem } from './errors.ts'
import type { RequestOptions } from './job-request.ts'
import type { Preference } from './prefer.ts'

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
  readonly jobs: Pick<Jobs, 'view' | 'follow'>
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
  const { job_id: id, priority, meta } = request
  return { id, owner: OWNER, queue, messages, meta: metaOf(meta), priority, source }
}

/** The outcome, or where to ask for it, if that is preferred. */
async function answer(c: Context<HttpEnv>, job: Job, options: ProtollmOptions): Promise<Response> {
  const { gateway, jobs } = options
  c.env.jobId = job.id
  const preference = preferenceOf(headerOf(c, 'prefer'))
  if (preference.isAsync) return accepted(await gateway.submit(job), preference)
  const { waitMs } = preference
  const isKept = waitMs !== undefined
  try {
    const found = await gateway.run(job, { client: clientOf(c.env.outgoing), waitMs, isKept })
    return content(job, found, preference)
  } catch (error) {
    if (!isKept || !(error instanceof GatewayError) || error.code !== 'timed_out') throw error
    return accepted(await jobs.view(job), preference)
  }
}

/** It goes on when this request is left: it can be resumed at its own place. */
async function stream(c: Context<HttpEnv>, job: Job, options: ProtollmOptions): Promise<Response> {
  const { gateway, jobs, log } = options
  c.env.jobId = job.id
  await gateway.submit(job)
  const events = jobs.follow(job, undefined, clientOf(c.env.outgoing))
  return sendEvents(c, events, log, { location: `/jobs/${job.id}` })
}

/** 202: whoever asks at `location` is told how it goes on. */
export function accepted(
  view: JobView,
  { applied }: Preference,
  { status = 202, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(JSON.stringify(jobJson(view)), {
    status,
    headers: {
      'content-type': 'application/json',
      'x-job-id': view.id,
      location: `/jobs/${view.id}`,
      ...(applied !== undefined && { 'preference-applied': applied }),
      ...headers,
    },
  })
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
          ...(isReplay && { 'idempotent-replayed': 'true' }),
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

/** https://www.w3.org/TR/server-timing/ in milliseconds. */
export function serverTiming({ arm, queue, read, total }: Stages): string {
  const entry = (name: string, ms: number | undefined): string =>
    ms === undefined ? '' : `${name};dur=${ms.toFixed(2)}, `
  return `${entry('arm', arm)}${entry('queue', queue)}${entry('read', read)}total;dur=${total.toFixed(2)}`
}

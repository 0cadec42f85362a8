import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import * as v from 'valibot'
import { GatewayError } from '../../errors.ts'
import { DONE_ID, positionOf } from '../../gateway/event-log.ts'
import { uuidv7 } from './job-id.ts'
import { headerOf, object } from '../body.ts'
import { clientOf } from '../context.ts'
import { lastEventOf, sendEvents } from '../job-events.ts'
import {
  JobId,
  Messages,
  Meta,
  OWNER,
  Priority,
  givenId,
  metaOf,
  nullable,
  queueProblem,
  readBody,
  validOrThrow,
  wholeNumber,
} from '../job-request.ts'
import { jobJson } from '../job-json.ts'
import { preferenceOf } from '../prefer.ts'
import { accepted, replayed, serverTiming, viewAfter } from '../accepted.ts'
import type { Context } from 'hono'
import type { Gateway } from '../../gateway/gateway.ts'
import type { Job, JobView } from '../../job.ts'
import type { JobName, Jobs } from '../../gateway/jobs.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HttpEnv } from '../context.ts'
import type { Problem } from '../errors.ts'
import type { RequestOptions } from '../job-request.ts'

export const IDEMPOTENCY_KEY = /^[!-~][ -~]{0,254}$/
export const MAX_TTL_S = 365 * 86_400
export const ttlUpTo = (seconds: number) =>
  nullable(
    v.pipe(
      wholeNumber(1, seconds),
      v.description('Seconds the job may wait and run; by default as many as it may'),
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
    'either content or messages must be given, and not both',
  ),
)

export interface JobsOptions extends RequestOptions {
  readonly gateway: Pick<Gateway, 'run' | 'submit'>
  readonly jobs: Pick<Jobs, 'view' | 'hold' | 'admit' | 'follow' | 'cancel'>
  readonly limits: { readonly timeoutMs: number; readonly jobTtlMs: number }
  readonly log: Log
}

/** Jobs that can be left and come back to, by any replica. */
export function jobsRoutes(options: JobsOptions): Hono<HttpEnv> {
  const { jobs, limits, log } = options
  const routes = new Hono<HttpEnv>()
  routes.post('/jobs', async (c) => {
    const job = await readJob(c, options)
    c.env.jobId = job.id
    return submit(c, job, options).catch((error: unknown) => {
      throw headerOf(c, 'idempotency-key') === undefined ? error : ofKey(error)
    })
  })
  routes.get('/jobs/:id', async (c) => {
    const name = nameOf(c)
    const preference = preferenceOf(headerOf(c, 'prefer'), limits.timeoutMs)
    const { waitMs, applied } = preference
    if (waitMs === undefined) return answerView(c, await jobs.view(name))
    const view = await jobs.hold(name, waitMs, clientOf(c.env.outgoing))
    return answerView(c, view, { 'preference-applied': applied as string })
  })
  routes.get('/jobs/:id/events', async (c) => {
    const name = nameOf(c)
    const last = lastEventOf(c)
    // It was told that it is done: an EventSource that comes again stops at this.
    if (last === DONE_ID) return c.body(null, 204, { 'x-job-id': name.id })
    const from = last === undefined ? undefined : positionOf(last)
    return sendEvents(c, jobs.follow(name, from, clientOf(c.env.outgoing)), log)
  })
  routes.delete('/jobs/:id', async (c) => answerView(c, await jobs.cancel(nameOf(c))))
  return routes
}

const answerView = (c: Context<HttpEnv>, view: JobView, headers: Record<string, string> = {}) =>
  c.json(jobJson(view), 200, { 'x-job-id': view.id, ...headers })

async function submit(c: Context<HttpEnv>, job: Job, options: JobsOptions): Promise<Response> {
  const { gateway, jobs, limits } = options
  const preference = preferenceOf(headerOf(c, 'prefer'), limits.timeoutMs)
  const { waitMs } = preference
  if (waitMs === undefined) {
    const { view, isReplay } = await gateway.submit(job)
    return accepted(view, preference, { headers: replayed(isReplay) })
  }
  try {
    const client = clientOf(c.env.outgoing)
    const answer = await gateway.run(job, { client, waitMs, isKept: true })
    const { outcome, createdAt, isReplay, stages } = answer
    const view = { id: job.id, status: outcome.kind, createdAt, finishedAt: null, outcome }
    const headers = { 'server-timing': serverTiming(stages), ...replayed(isReplay) }
    return accepted(view, preference, { headers })
  } catch (error) {
    return accepted(await viewAfter(error, jobs, job), preference)
  }
}

async function readJob(c: Context<HttpEnv>, options: JobsOptions): Promise<Job> {
  const body = await readBody(c, JobRequest, options)
  const key = headerOf(c, 'idempotency-key')
  const given = 'value' in body ? body.value : undefined
  const queue = given?.queue_name ?? options.queues[0]
  const problems: Problem[] = queueProblem(queue, ['body', 'queue_name'], options)
  const maxTtl = options.limits.jobTtlMs / 1000
  if ((given?.ttl ?? 0) > maxTtl) {
    const msg = `Input should be less than or equal to ${maxTtl}`
    problems.push({ type: 'less_than_equal', loc: ['body', 'ttl'], msg, input: given?.ttl })
  }
  if (key !== undefined && !IDEMPOTENCY_KEY.test(key)) {
    const msg = 'String should be 1 to 255 printable characters'
    problems.push({
      type: 'string_pattern_mismatch',
      loc: ['header', 'idempotency-key'],
      msg,
      input: key,
    })
  }
  if (key !== undefined && given?.job_id != null) {
    const msg = 'Either a job_id or an Idempotency-Key makes the id, not both'
    problems.push({ type: 'value_error', loc: ['body', 'job_id'], msg, input: given.job_id })
  }
  const request = validOrThrow(body, problems)
  const { content, meta, priority, source, ttl } = request
  return {
    ...idOf(request.job_id, key),
    owner: OWNER,
    queue,
    messages: request.messages ?? [{ role: 'user', content: content as string }],
    meta: metaOf(meta),
    priority,
    source,
    ttlMs: ttl === null ? undefined : ttl * 1000,
  }
}

/** The client's own id; else one that the same key makes again; else one that is nobody's yet. */
function idOf(given: string | null, key: string | undefined): Pick<Job, 'id' | 'idKind'> {
  if (given !== null) return givenId(given)
  if (key === undefined) return { id: uuidv7(), idKind: 'made' }
  const hash = createHash('sha256')
    .update(JSON.stringify([OWNER, key]))
    .digest('base64url')
  return { id: `key-${hash}`, idKind: 'derived' }
}

/** draft-ietf-httpapi-idempotency-key-header: a key that is used again for something else is a 422. */
function ofKey(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'job_conflict') return error
  return new GatewayError(
    'idempotency_conflict',
    'the Idempotency-Key was used for another payload',
  )
}

/** What no id can be is no job's. */
function nameOf(c: Context<HttpEnv, '/jobs/:id'>): JobName {
  const id = c.req.param('id')
  if (!v.is(JobId, id)) throw new GatewayError('not_found', 'there is no job with this id')
  c.env.jobId = id
  return { id, owner: OWNER }
}

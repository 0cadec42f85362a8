import { Hono } from 'hono'
import { GatewayError } from '../../errors.ts'
import { DONE_ID, positionOf } from '../../gateway/event-log.ts'
import { clientOf, headerOf, preferenceIn, replayed, serverTiming } from '../context.ts'
import { OWNER } from '../../job.ts'
import { accepted, viewAfter } from '../native/accepted.ts'
import { jobEvents } from '../native/job-events.ts'
import { jobJson } from '../native/job-json.ts'
import { JOB_ID } from '../job-id.ts'
import { sendEvents } from '../sse.ts'
import { lastEventOf, readJob } from './jobs-request.ts'
import type { Context } from 'hono'
import type { Job, JobView } from '../../job.ts'
import type { AppOptions } from '../app-options.ts'
import type { HttpEnv } from '../context.ts'

export function jobsRoutes(options: AppOptions): Hono<HttpEnv> {
  const { gateway, limits, log } = options
  const routes = new Hono<HttpEnv>()
  routes.post('/jobs', async (c) => {
    const job = await readJob(c, options)
    c.env.jobId = job.id
    return submit(c, job, options).catch((error: unknown) => {
      throw headerOf(c, 'idempotency-key') === undefined ? error : conflictOfKey(error)
    })
  })
  routes.get('/jobs/:id', async (c) => {
    const name = nameOf(c)
    const preference = preferenceIn(c, limits.timeoutMs)
    const { waitMs, applied } = preference
    if (waitMs === undefined) return answerView(c, await gateway.view(name))
    const view = await gateway.hold(name, waitMs, clientOf(c.env.outgoing))
    return answerView(c, view, { 'preference-applied': applied as string })
  })
  routes.get('/jobs/:id/events', async (c) => {
    const name = nameOf(c)
    const last = lastEventOf(c)
    // The client has received `done`. An EventSource reconnects until it gets a 204.
    if (last === DONE_ID) return c.body(null, 204, { 'x-job-id': name.id })
    const from = last === undefined ? undefined : positionOf(last)
    const events = gateway.follow(name, from, clientOf(c.env.outgoing))
    return sendEvents(c, events, jobEvents(c, log))
  })
  routes.delete('/jobs/:id', async (c) => answerView(c, await gateway.cancel(nameOf(c))))
  return routes
}

const answerView = (c: Context<HttpEnv>, view: JobView, headers: Record<string, string> = {}) =>
  c.json(jobJson(view), 200, { 'x-job-id': view.id, ...headers })

async function submit(c: Context<HttpEnv>, job: Job, options: AppOptions): Promise<Response> {
  const { gateway, limits } = options
  const preference = preferenceIn(c, limits.timeoutMs)
  const { waitMs } = preference
  if (waitMs === undefined) {
    const { view, isReplay } = await gateway.submit(job)
    return accepted(c, view, preference, { headers: replayed(isReplay) })
  }
  try {
    const client = clientOf(c.env.outgoing)
    const answer = await gateway.run(job, { client, waitMs, isKept: true })
    const { view, isReplay, stages } = answer
    const headers = { 'server-timing': serverTiming(stages), ...replayed(isReplay) }
    return accepted(c, view, preference, { headers })
  } catch (error) {
    return accepted(c, await viewAfter(error, job, () => gateway.view(job)), preference)
  }
}

/** A key that is sent again with another payload is a 422. draft-ietf-httpapi-idempotency-key-header */
function conflictOfKey(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'job_conflict') return error
  return new GatewayError(
    'idempotency_conflict',
    'the Idempotency-Key was used for another payload',
  )
}

/** A text that can be no id names no job, so it is a 404 and not a 422. */
function nameOf(c: Context<HttpEnv, '/jobs/:id'>): Pick<Job, 'id' | 'owner'> {
  const id = c.req.param('id')
  if (!JOB_ID.test(id)) throw new GatewayError('not_found', 'there is no job with this id')
  c.env.jobId = id
  return { id, owner: OWNER }
}

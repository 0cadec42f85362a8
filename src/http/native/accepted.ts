import { GatewayError } from '../../errors.ts'
import { hasEnded } from '../../job.ts'
import { jobLocation } from '../location.ts'
import { jobJson } from './job-json.ts'
import type { Context } from 'hono'
import type { Job, JobView } from '../../job.ts'
import type { HttpEnv } from '../context.ts'
import type { Preference } from '../prefer.ts'

/** Answers with the job and the place to find it: status 200 when the job has ended, else 202. */
export function accepted(
  c: Context<HttpEnv>,
  view: JobView,
  { applied }: Preference,
  {
    status = hasEnded(view) ? 200 : 202,
    headers = {},
  }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(JSON.stringify(jobJson(view)), {
    status,
    headers: {
      'content-type': 'application/json',
      'x-job-id': view.id,
      location: jobLocation(c.req.path, view.id),
      ...(applied !== undefined && { 'preference-applied': applied }),
      ...headers,
    },
  })
}

/** After these errors the job has been accepted, so its view says more than the error does. */
const ACCEPTED_ANYWAY = new Set(['timed_out', 'job_expired', 'bad_result'])

/** The job after a wait that ended with this error. Throws the error when the job may not have been accepted. */
export async function viewAfter(
  error: unknown,
  { id }: Job,
  read: () => Promise<JobView>,
): Promise<JobView> {
  if (!(error instanceof GatewayError) || !ACCEPTED_ANYWAY.has(error.code)) throw error
  const view = await read().catch((): JobView => {
    if (error.code !== 'timed_out') throw error
    // Redis cannot be read now, but the job was accepted.
    return { id, status: 'queued', createdAt: null, finishedAt: null, outcome: null }
  })
  // The gateway has found that the job's life is over. By the clock of Redis, some milliseconds may be left.
  if (error.code !== 'job_expired' || hasEnded(view)) return view
  return { ...view, status: 'expired', outcome: { kind: 'expired' } }
}

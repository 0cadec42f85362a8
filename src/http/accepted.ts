import { GatewayError } from '../errors.ts'
import { hasEnded } from '../job.ts'
import { jobJson } from './job-json.ts'
import type { Stages } from '../gateway/stages.ts'
import type { Job, JobView } from '../job.ts'
import type { Jobs } from '../gateway/jobs.ts'
import type { Preference } from './prefer.ts'

/** A job as it stands, and where to ask for it: 200 when it has ended, else 202. */
export function accepted(
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
      location: `/jobs/${view.id}`,
      ...(applied !== undefined && { 'preference-applied': applied }),
      ...headers,
    },
  })
}

/** After these a job is accepted all the same: how it stands is the better answer. */
const OF_THE_JOB = new Set(['timed_out', 'job_expired', 'bad_result'])

/** How a job stands whose wait ended with this error; throws it where that says more. */
export async function viewAfter(
  error: unknown,
  jobs: Pick<Jobs, 'view'>,
  job: Job,
): Promise<JobView> {
  if (!(error instanceof GatewayError) || !OF_THE_JOB.has(error.code)) throw error
  const view = await jobs.view(job).catch((): JobView => {
    if (error.code !== 'timed_out') throw error
    // It was accepted, and Redis cannot be asked now.
    return { id: job.id, status: 'queued', createdAt: null, finishedAt: null, outcome: null }
  })
  // Its life began here before its claim was made, and by the clock of Redis it is not over yet.
  if (error.code !== 'job_expired' || hasEnded(view)) return view
  return { ...view, status: 'expired', outcome: { kind: 'expired' } }
}

export const replayed = (isReplay: boolean): Record<string, string> =>
  isReplay ? { 'idempotent-replayed': 'true' } : {}

/** https://www.w3.org/TR/server-timing/ in milliseconds. */
export function serverTiming({ arm, queue, read, total }: Stages): string {
  const entry = (name: string, ms: number | undefined): string =>
    ms === undefined ? '' : `${name};dur=${ms.toFixed(2)}, `
  return `${entry('arm', arm)}${entry('queue', queue)}${entry('read', read)}total;dur=${total.toFixed(2)}`
}

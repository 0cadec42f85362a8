import { createHash } from 'node:crypto'
import { GatewayError, isRejection } from '../../errors.ts'
import { OWNER } from '../../job.ts'
import type { ErrorCode } from '../../errors.ts'
import type { UnansweredJobs } from '../app-options.ts'
import type { SentBody } from './openai-request.ts'

/**
 * Most clients send a request again after these errors, whatever a header says. The job runs
 * or may run, so the request that comes again joins it, and no second run begins.
 */
const MAY_RUN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'timed_out',
  'interrupted',
  'acceptance_unknown',
])

type SentRequest = Pick<SentBody, 'source' | 'route'> & { readonly endpoint: string }

/** Two requests with the same name ask for the same, of the same caller and queue. */
export function nameOf({ endpoint, source, route }: SentRequest): string {
  // In two parts, so that a large body is not copied for this.
  const place = JSON.stringify([OWNER, endpoint, route.queue, route.name])
  return createHash('sha256').update(place).update(source).digest('base64url')
}

/**
 * Runs a request under the id of the job that an equal one has begun and got no outcome of. Else
 * under one of its own, and then remembers the job if the client may ask for it again.
 */
export async function joinOrBegin(
  jobs: UnansweredJobs,
  { name, newId }: { readonly name: string; readonly newId: () => string },
  run: (id: string, isAgain: boolean) => Promise<Response>,
): Promise<Response> {
  const earlier = await jobs.take(name)
  const isAgain = earlier !== undefined
  const id = earlier ?? newId()
  try {
    return await run(id, isAgain)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    // An earlier job may run also where this request was refused.
    const mayRun = MAY_RUN.has(error.code) || (isAgain && isRejection(error.code))
    if (mayRun) await jobs.put(name, id)
    // The worker takes bodies in another form now than when the earlier request came.
    if (isAgain && error.code === 'job_conflict') return joinOrBegin(jobs, { name, newId }, run)
    throw error
  }
}

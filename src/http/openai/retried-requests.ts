import { createHash } from 'node:crypto'
import { GatewayError, isRejection } from '../../errors.ts'
import { OWNER } from '../../job.ts'
import { isConflict } from './openai-headers.ts'
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

/** How a request is run: under which id, and whether an equal request has begun that job. */
type Run<T> = (id: string, isAgain: boolean) => Promise<T>

/** Runs a request under the job that an equal one has begun and got no outcome of. Else under a new id. */
export async function joinOrBegin<T>(
  jobs: UnansweredJobs,
  name: string,
  makeId: () => string,
  run: Run<T>,
): Promise<T> {
  const earlier = await jobs.take(name)
  const isAgain = earlier !== undefined
  const id = earlier ?? makeId()
  try {
    return await run(id, isAgain)
  } catch (error) {
    if (isJoinable(error, isAgain)) await jobs.put(name, id)
    // The worker takes bodies in another form now than when the earlier request came.
    if (isAgain && isConflict(error)) return joinOrBegin(jobs, name, makeId, run)
    throw error
  }
}

/** The job runs or may run. Where the request has joined one, that may run also where this request was refused. */
const isJoinable = (error: unknown, isAgain: boolean): boolean =>
  error instanceof GatewayError && (MAY_RUN.has(error.code) || (isAgain && isRejection(error.code)))

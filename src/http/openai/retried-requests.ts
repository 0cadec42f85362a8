import { hash } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
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
const nameOf = ({ endpoint, source, route }: SentRequest): string =>
  hash('sha256', JSON.stringify([OWNER, endpoint, route.queue, route.name, source]), 'base64url')

/** The job that an equal request has begun and got no outcome of. */
export const unansweredJob = (
  jobs: UnansweredJobs,
  request: SentRequest,
): Promise<string | undefined> => jobs.take(nameOf(request))

/** Remembers the job if its client may ask for it again after this error. */
export async function rememberUnanswered(
  jobs: UnansweredJobs,
  request: SentRequest,
  id: string,
  error: unknown,
): Promise<void> {
  if (!(error instanceof GatewayError) || !MAY_RUN.has(error.code)) return
  await jobs.put(nameOf(request), id)
}

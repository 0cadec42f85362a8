import { createHash } from 'node:crypto'
import { GatewayError, isRejection } from '../../errors.ts'
import { OWNER } from '../../job.ts'
import type { ErrorCode } from '../../errors.ts'
import type { UnansweredJobs } from '../app-options.ts'
import type { OpenAiRequest } from './openai-request.ts'

/**
 * Most clients send a request again after these errors, whatever a header says. The job runs
 * or may run, so the request that comes again joins it, and no second run begins.
 */
const MAY_RUN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'timed_out',
  'interrupted',
  'acceptance_unknown',
])

/** Two requests with the same name ask for the same, of the same caller and queue. */
export function nameOf({ endpoint, source, route }: OpenAiRequest): string {
  // In two parts, so that a large body is not copied for this.
  const place = JSON.stringify([OWNER, endpoint, route.queue, route.name])
  return createHash('sha256').update(place).update(source).digest('base64url')
}

/**
 * Remembers the job if its client may ask for it again after this error. `isAgain`: the request
 * has joined the job of an earlier one, which may run also where this request was refused.
 */
export async function rememberUnanswered(
  jobs: UnansweredJobs,
  { name, id, isAgain }: { readonly name: string; readonly id: string; readonly isAgain: boolean },
  error: unknown,
): Promise<void> {
  if (!(error instanceof GatewayError)) return
  if (MAY_RUN.has(error.code) || (isAgain && isRejection(error.code))) await jobs.put(name, id)
}

import { openState } from './response-object.ts'
import type { JobView } from '../../../job.ts'
import type { ResponseState } from './response-object.ts'
import type { ResponseObject } from './response-types.ts'

type Details = ResponseObject['incomplete_details']

/** Why an engine broke off, by its finish reason. */
const CUT: Readonly<Record<string, Details>> = {
  length: { reason: 'max_output_tokens' },
  max_tokens: { reason: 'max_output_tokens' },
  content_filter: { reason: 'content_filter' },
}

/** null where the engine said all it had to say. */
export const cutBy = (finish: string | undefined): Details =>
  finish !== undefined && Object.hasOwn(CUT, finish) ? (CUT[finish] as Details) : null

type Ended = Pick<ResponseState, 'completed_at' | 'status' | 'error' | 'incomplete_details'>

export function endOfAnswer({ finishedAt }: JobView, details: Details): Ended {
  if (details !== null) return { ...openState('incomplete'), incomplete_details: details }
  const completedAt = finishedAt === null ? null : Math.floor(finishedAt / 1000)
  return { ...openState('completed'), completed_at: completedAt }
}

/** Of a job that has no answer. */
export function endWithout({ status, outcome }: JobView): Ended {
  // The status outlives a result that is gone.
  const kind = outcome?.kind ?? status
  if (kind === 'cancelled') return openState('cancelled')
  const message =
    outcome?.kind === 'failed'
      ? outcome.message
      : kind === 'expired'
        ? 'the job expired before it had an outcome'
        : 'the result of the job is gone'
  return { ...openState('failed'), error: { code: 'server_error', message } }
}

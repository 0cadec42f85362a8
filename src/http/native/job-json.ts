import * as v from 'valibot'
import { JobId } from './job-request.ts'
import type { JobView, Outcome } from '../../job.ts'

export const STATUSES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'expired',
] as const satisfies JobView['status'][]
const Time = v.pipe(v.string(), v.isoTimestamp())
const Success = v.object({
  content: v.string(),
  usage: v.optional(v.object({ prompt_tokens: v.number(), completion_tokens: v.number() })),
  finish_reason: v.optional(v.string()),
  model: v.optional(v.string()),
})
const Failure = v.object({ error: v.object({ type: v.string(), message: v.string() }) })

/** A job as clients see it. Times are in the form of RFC 3339. */
export const JobResponse = v.object({
  job_id: JobId,
  status: v.picklist(STATUSES),
  created_at: v.nullable(Time),
  finished_at: v.nullable(Time),
  outcome: v.nullable(v.union([Success, Failure])),
})

/** The same as an event has it: a long content was sent as deltas, and is not repeated. */
export const JobEnd = v.object({
  ...JobResponse.entries,
  outcome: v.nullable(
    v.union([v.object({ ...Success.entries, content: v.optional(v.string()) }), Failure]),
  ),
})

export function jobJson(view: JobView): v.InferOutput<typeof JobResponse> {
  const { id, status, createdAt, finishedAt, outcome } = view
  return {
    job_id: id,
    status,
    created_at: timeOf(createdAt),
    finished_at: timeOf(finishedAt),
    outcome: outcome === null ? null : outcomeJson(outcome),
  }
}

function outcomeJson(outcome: Outcome): v.InferOutput<typeof JobResponse>['outcome'] {
  if (outcome.kind === 'failed') {
    return { error: { type: outcome.type, message: outcome.message } }
  }
  if (outcome.kind !== 'succeeded') return null
  const { content, usage, finishReason, model } = outcome
  return {
    content,
    ...(usage && {
      usage: { prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens },
    }),
    ...(finishReason !== undefined && { finish_reason: finishReason }),
    ...(model !== undefined && { model }),
  }
}

const timeOf = (ms: number | null): string | null => (ms ? new Date(ms).toISOString() : null)

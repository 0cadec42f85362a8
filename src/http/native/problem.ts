import { STATUS_CODES } from 'node:http'
import { STATUS, clientErrorOf, retryAfter } from '../errors.ts'
import { jobLocation } from '../location.ts'
import { invalidFieldsOf } from './validation.ts'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorCode, GatewayError } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HttpEnv } from '../context.ts'
import type { AnswerError } from '../surface.ts'

/** After these errors the job is still running, so the answer says where to find it. */
const STILL_RUNNING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['timed_out', 'interrupted'])

/** An invalid request is a 422 in the form of FastAPI. Every other error is a problem of RFC 9457. */
export const answerProblem =
  (log: Log): AnswerError =>
  (error, c) => {
    const detail = invalidFieldsOf(error)
    if (detail !== undefined) {
      // The form of FastAPI has no code, so the log gets the type of the first fault.
      c.env.code = detail[0]?.type
      return c.json({ detail }, 422)
    }
    const known = clientErrorOf(error, c, log)
    const problem = problemWith(known, c.env.requestId, c.env.jobId)
    const { status, code, job_id: jobId } = problem
    const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
    if (jobId !== undefined) headers['x-job-id'] = jobId
    if (jobId !== undefined && STILL_RUNNING.has(code)) {
      headers.location = jobLocation(c.req.path, jobId)
    }
    Object.assign(headers, retryAfter(known))
    // Hono's type of statuses lacks 499. No client reads that one: it has left.
    return c.body(JSON.stringify(problem), status as ContentfulStatusCode, headers)
  }

/** RFC 9457 has `type` to `detail`. The others are ours: `code` is for programs. */
export function problemOf(error: unknown, c: Context<HttpEnv>, log: Log) {
  return problemWith(clientErrorOf(error, c, log), c.env.requestId, c.env.jobId)
}

export function problemWith({ code, message }: GatewayError, requestId: string, jobId?: string) {
  const status = STATUS[code]
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? code,
    status,
    detail: message,
    code,
    ...(jobId !== undefined && { job_id: jobId }),
    request_id: requestId,
  }
}

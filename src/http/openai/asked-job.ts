import { JobContent } from './job-content.ts'
import { jobOf } from './openai-job.ts'
import { readBody, requestOf } from './openai-request.ts'
import { nameOf } from './retried-requests.ts'
import { ignoredIn } from './text-only.ts'
import type { Context } from 'hono'
import type { HttpEnv } from '../context.ts'
import type { BudgetedOptions } from './openai-options.ts'
import type { Endpoint, RequestFacts } from './openai-request.ts'

/** What is left of a request that was read: a frame that waits for the outcome must not hold its body. */
export interface AskedJob {
  readonly facts: RequestFacts
  readonly content: JobContent
  /** The value of `x-ignored-parameters`. */
  readonly ignored: string | undefined
  /** Equal requests have the same name. */
  readonly name: string
}

/** Reads a request and makes its job. */
export function readAskedJob(
  c: Context<HttpEnv>,
  endpoint: Endpoint,
  options: BudgetedOptions,
): Promise<AskedJob> {
  return readBody(c, endpoint, options, (sent, share) => {
    const request = requestOf(sent, endpoint)
    const { source: _, fields, ...rest } = request
    const encodingFormat = fields.encoding_format === 'base64' ? 'base64' : 'float'
    return {
      facts: { ...rest, encodingFormat },
      content: new JobContent(jobOf(request, '', options.v1), share),
      ignored: ignoredIn(request),
      name: nameOf(request),
    }
  })
}

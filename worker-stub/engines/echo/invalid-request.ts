import type { Outcome } from '../../../src/job.ts'

interface Reason {
  readonly status?: number
  readonly code?: string
  readonly param?: string
}

/** What an OpenAI server refuses. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly outcome: Outcome

  constructor(message: string, { status = 400, code = codeOf(status), param }: Reason) {
    super(message)
    const type = status < 500 ? 'invalid_request_error' : 'server_error'
    this.outcome = {
      kind: 'failed',
      type,
      message,
      status,
      code,
      ...(param !== undefined && { param }),
    }
  }
}

/** The message begins with the name of the field. */
export const invalid = (param: string, problem: string): InvalidRequest =>
  new InvalidRequest(`${param} ${problem}`, { param })

const codeOf = (status: number): string => {
  if (status === 429) return 'rate_limit_exceeded'
  return status < 500 ? 'invalid_value' : 'server_error'
}

/** `error 400 tools bad_tools`: status, and if given param and code. */
const ON_DEMAND = /^error ([45]\d\d)(?: +(\S+))?(?: +(\S+))?(?=\s|$)/

/** Throws the failure that a text asks for. */
export function failOnDemand(text: string): void {
  const [found, status, param, code] = ON_DEMAND.exec(text) ?? []
  if (found === undefined) return
  throw new InvalidRequest('the echo engine was told to fail', {
    status: Number(status),
    ...(param !== undefined && { param }),
    ...(code !== undefined && { code }),
  })
}

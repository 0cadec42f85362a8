import { STATUS } from './errors.ts'
import type { GatewayError } from '../errors.ts'

/** The object that every client of the OpenAI API reads. All four keys are always there. */
export interface ErrorObject {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string
}

export const errorTypeOf = (status: number): string => {
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** An error of the gateway as these clients read it. `more` goes behind its message. */
export const errorObjectOf = ({ code, message }: GatewayError, more = ''): ErrorObject => ({
  message: message + more,
  type: errorTypeOf(STATUS[code]),
  param: null,
  code,
})

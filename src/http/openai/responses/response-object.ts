import type { ResponseFrame, ResponseObject, ResponseStatus } from './response-types.ts'

/** What of a response changes while it runs. */
export type ResponseState = Pick<
  ResponseObject,
  'completed_at' | 'status' | 'error' | 'incomplete_details' | 'output' | 'usage'
>

/** Of a response that has not ended. */
export const openState = (
  status: ResponseStatus,
  output: ResponseState['output'] = [],
): ResponseState => ({
  completed_at: null,
  status,
  error: null,
  incomplete_details: null,
  output,
  usage: null,
})

export const responseObject = (
  { id, createdAt, echo }: ResponseFrame,
  state: ResponseState,
): ResponseObject => ({ ...echo, id, object: 'response', created_at: createdAt, ...state })

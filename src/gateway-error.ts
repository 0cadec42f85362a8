import { WireFormatError } from './dialect.ts'
import { GatewayError } from './errors.ts'

/** Whatever went wrong, as something a client can be told. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof WireFormatError) {
    return new GatewayError('bad_result', error.message, { cause: error })
  }
  return new GatewayError('internal', 'something went wrong', { cause: error })
}

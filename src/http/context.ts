import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from '../gateway/client.ts'

/** What Hono carries through a request. */
export interface HttpEnv {
  Bindings: {
    /** Absent where nothing listens: in a test. */
    readonly incoming?: IncomingMessage
    readonly outgoing?: ServerResponse
    requestId: string
    /** Set as soon as the request is known to be about a valid job. */
    jobId?: string
  }
}

/**
 * The client by its response, which closes when the connection does. A request's
 * AbortSignal would say the same, at the price of a sixth of all the gateway's work.
 */
export function clientOf(outgoing: ServerResponse | undefined): Client | undefined {
  if (outgoing === undefined) return undefined
  return {
    get isGone() {
      return outgoing.destroyed
    },
    onGone: (listener) => void outgoing.once('close', listener),
  }
}

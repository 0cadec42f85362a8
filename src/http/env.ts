import type { IncomingMessage, ServerResponse } from 'node:http'

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

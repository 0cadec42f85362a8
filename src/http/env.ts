/** What Hono carries through a request. */
export interface HttpEnv {
  Variables: {
    requestId: string
    /** Set as soon as the request is known to be about a valid job. */
    jobId?: string
  }
}

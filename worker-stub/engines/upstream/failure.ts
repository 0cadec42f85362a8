/** Why an endpoint gave no answer. `type` is what a client sees; the message is the server's own where it has one. */
export class UpstreamFailure extends Error {
  override readonly name = 'UpstreamFailure'
  /** `upstream_<status>`, `upstream_error`, `upstream_unreachable`, `upstream_timeout` or `empty_answer`. */
  readonly type: string
  /** Of the answer; absent where none came. */
  readonly status?: number
  /** What the server sent as its error. */
  readonly body?: unknown

  constructor(
    type: string,
    message: string,
    { status, body, cause }: { status?: number; body?: unknown; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.type = type
    if (status !== undefined) this.status = status
    if (body !== undefined) this.body = body
  }
}

export const badAnswer = (message: string, body?: unknown): UpstreamFailure =>
  new UpstreamFailure('upstream_error', message, { body })

/** Never its text: it may quote a piece of the answer. */
export const notOfTheApi = (): UpstreamFailure => badAnswer('the answer is not of the OpenAI API')

/** The connection broke before anything of an answer came: nothing was generated that a client could have seen. */
export class ConnectionFailure extends UpstreamFailure {
  /** False: the server was never reached, so that it has not seen the request. */
  readonly wasConnected: boolean
  constructor(cause: unknown, how: { wasConnected: boolean }) {
    super('upstream_unreachable', `no answer from the upstream (${codeOf(cause)})`, { cause })
    this.wasConnected = how.wasConnected
  }
}

/** The kind of fault and never its text: that may hold the address, or a piece of the answer. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : 'broken off'
}

import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { IncomingMessage } from 'node:http'

/** Keeps connections open between requests, as most clients do. */
const keepAlive = new Agent({ keepAlive: true })

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // The tests know what they sent and hold each field against what they expect.
  readonly body: {
    readonly content?: string
    readonly code?: string
    readonly detail?: unknown
    readonly job_id: string
    readonly status: string
    readonly created_at: string | null
    readonly finished_at: string | null
    readonly outcome: { readonly content?: string; readonly error?: object } | null
  }
}

export interface AskOptions {
  /** Its abort closes the connection in the middle of the request, as a client does that leaves. */
  readonly signal?: AbortSignal
  readonly agent?: Agent
}

/** Sends one request and never repeats it. Rejects if the answer does not arrive whole. */
export async function ask(
  url: string,
  method: 'GET' | 'POST' | 'DELETE',
  body?: unknown,
  headers: Record<string, string | string[]> = {},
  { signal, agent = keepAlive }: AskOptions = {},
): Promise<Reply> {
  // A text is sent as it is, so that it can be bad JSON.
  const sent = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const length = sent === '' ? {} : { 'content-length': String(Buffer.byteLength(sent)) }
    const all = { 'content-type': 'application/json', ...length, ...headers }
    request(url, { method, headers: all, agent, ...(signal && { signal }) }, resolve)
      .on('error', reject)
      .end(sent)
  })
  const answer = await text(response)
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    body: (answer === '' ? {} : JSON.parse(answer)) as Reply['body'],
  }
}

export const post = (
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string | string[]> = {},
  options: AskOptions = {},
): Promise<Reply> => ask(url + path, 'POST', body, headers, options)

/** Asks for a job as the seed's clients do, and waits for its outcome. */
export const generate = (
  url: string,
  id: string,
  content: string,
  options: AskOptions = {},
): Promise<Reply> => post(url, '/generate', { job_id: id, meta: {}, content }, {}, options)

export const submit = (
  url: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Reply> => post(url, '/jobs', body, headers)

/** A request whose client can leave before its answer. */
export function leavable(url: string, id: string, headers: Record<string, string> = {}) {
  const client = new AbortController()
  const body = { job_id: id, meta: {}, content: 'x' }
  const answer = post(url, '/generate', body, headers, { signal: client.signal })
  const left = answer.then(
    () => 'answered',
    () => 'left',
  )
  return { answer, left, leave: () => client.abort() }
}

/** A client that asks for a job and leaves after so many milliseconds, if it has no answer by then. */
export const leaveAfter = (url: string, id: string, ms: number): Promise<unknown> =>
  generate(url, id, 'x', { signal: AbortSignal.timeout(Math.round(ms)) }).catch(() => 'left')

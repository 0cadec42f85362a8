import { NO_PREFERENCE, preferenceOf } from './prefer.ts'
import type { Context } from 'hono'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Stages } from '../gateway/stages.ts'
import type { Client } from '../gateway/waiters.ts'
import type { Preference } from './prefer.ts'

/** What Hono carries through a request. */
export interface HttpEnv {
  Bindings: {
    /** Node's request and response. A test that opens no socket has neither. */
    readonly incoming?: IncomingMessage
    readonly outgoing?: ServerResponse
    requestId: string
    /** A route sets it as soon as it knows that the request is about a valid job. */
    jobId?: string
    /** Of an answer that is an error, for the log. */
    code?: string | undefined
    /** For the answer, where there is no socket whose response could take them. */
    headers?: Readonly<Record<string, string>>
  }
}

/**
 * A header of the request. It is read from Node's request, which has parsed the headers
 * already: Hono would build a Headers object of all of them for the few that we need.
 */
export function headerOf(c: Context<HttpEnv>, name: string): string | undefined {
  const { incoming } = c.env
  if (incoming === undefined) return c.req.header(name)
  const value = incoming.headers[name]
  return typeof value === 'object' ? value.join(', ') : value
}

/** Each line of a header that may come once. Without a socket, two lines cannot be told from one. */
export function headersOf(c: Context<HttpEnv>, name: string): readonly string[] {
  const value = headerOf(c, name)
  if (value === undefined) return []
  return c.env.incoming?.headersDistinct[name] ?? [value]
}

/** How the client prefers to be answered, and waits at most. */
export function preferenceIn(c: Context<HttpEnv>, maxWaitMs: number): Preference {
  const header = headerOf(c, 'prefer')
  return header === undefined ? NO_PREFERENCE : preferenceOf(header, maxWaitMs)
}

/**
 * The client that sent the request. It has left when its response was closed. The
 * request's AbortSignal says the same, but costs a sixth of all the gateway's work.
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

/** Says that the outcome was known before the request came. */
export const replayed = (isReplay: boolean): Record<string, string> =>
  isReplay ? { 'idempotent-replayed': 'true' } : {}

/** The value of `server-timing`, in milliseconds. https://www.w3.org/TR/server-timing/ */
export function serverTiming({ arm, queue, read, total }: Stages): string {
  const entry = (name: string, ms: number | undefined): string =>
    ms === undefined ? '' : `${name};dur=${ms.toFixed(2)}, `
  return `${entry('arm', arm)}${entry('queue', queue)}${entry('read', read)}total;dur=${total.toFixed(2)}`
}

import { STATUS_CODES } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { GatewayError } from '../errors.ts'
import { requestIdOf } from './around.ts'
import { errorObjectOf } from './error-object.ts'
import { STATUS } from './errors.ts'
import { problemWith } from './native/problem.ts'
import type { Hono } from 'hono'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './context.ts'
import type { OnRequest } from './listener.ts'

export interface RefusalOptions {
  readonly log: Log
  readonly metrics: Pick<Metrics, 'httpRequests'>
}

/**
 * Answers the requests that no route sees, because they are no HTTP or because Node cannot make
 * a URL of them. Such an answer has the form of all other errors of its surface, and is counted and
 * logged. It closes the connection, because what follows on it cannot be trusted.
 */
export class Refusals {
  readonly #options: RefusalOptions

  constructor(options: RefusalOptions) {
    this.#options = options
  }

  /** Refuses a request whose head was read. */
  answer(request: IncomingMessage, response: ServerResponse, error: GatewayError): void {
    const requestId = requestIdOf(request.headers['x-request-id'])
    const { headers, body } = contentOf(error, requestId, request.url)
    response.writeHead(STATUS[error.code], headers).end(body)
    this.#note(error, requestId, request.method)
  }

  /** The whole answer to a request whose head could not be read. `target`: what it asks for, where that is known. */
  bytes(error: GatewayError, target?: string): string {
    const requestId = requestIdOf(undefined)
    this.#note(error, requestId)
    return bytesOf(error, requestId, target)
  }

  #note({ code }: GatewayError, requestId: string, method = 'other'): void {
    const { log, metrics } = this.#options
    const status = STATUS[code]
    metrics.httpRequests.inc({ route: '/*', method, code: status })
    log.info({ requestId, method, route: '/*', status, code }, 'http.request')
  }
}

/** An answer as it stands on the connection. */
function bytesOf(error: GatewayError, requestId: string, target?: string): string {
  const { headers, body } = contentOf(error, requestId, target)
  const status = STATUS[error.code]
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}

/** Clients of OpenAI read no other form. The target may be a path or a whole URL. */
const IS_OPENAI = /^(?:https?:\/\/[^/?#]*)?\/v1(?:[/\\?#]|$)/i

function contentOf(error: GatewayError, requestId: string, target = '') {
  const isOpenAi = IS_OPENAI.test(target)
  const answer = isOpenAi ? { error: errorObjectOf(error) } : problemWith(error, requestId)
  const body = JSON.stringify(answer)
  const headers = {
    'content-type': isOpenAi ? 'application/json' : 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    'cache-control': 'no-store',
    connection: 'close',
  }
  return { headers, body }
}

/** Hands each request to the app, or refuses it if it has no usable URL. */
export function handlerOf(app: Hono<HttpEnv>, refusals: Refusals): OnRequest {
  let current: Parameters<OnRequest> | undefined
  const answer = getRequestListener((request, env) => app.fetch(request, env), {
    // For a client of HTTP/1.0, which may send no Host. Nothing depends on the name.
    hostname: 'localhost',
    // For an unusable URL it is called in the turn in which the request came: `current` is that request.
    errorHandler: (error) => {
      if (current === undefined) return new Response(null, { status: 500 })
      return refusals.answer(...current, unusable(error))
    },
  })
  return (request, response) => {
    current = [request, response]
    const answered = answer(request, response)
    current = undefined
    return answered
  }
}

/** Node's words for what is wrong quote nothing of the request. */
const unusable = (cause: unknown) =>
  new GatewayError('bad_request', 'the target or the Host of the request is no URL', { cause })

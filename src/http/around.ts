import { randomUUID } from 'node:crypto'
import { getPath } from 'hono/utils/url'
import type { Hono } from 'hono'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './context.ts'

/** Whoever sends other words makes no new time series of them. */
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export interface ObserveOptions {
  readonly log: Log
  readonly metrics: Pick<Metrics, 'httpRequests' | 'httpSeconds'>
  /** The pattern of a path, and not the path itself: that may hold anything. */
  readonly routeOf: (path: string) => string
}

/**
 * Gives every request an id, counts it, and logs it when it was answered. Around
 * the app and not inside: with a middleware, each answer is put together twice.
 */
export function observe(app: Hono<HttpEnv>, { log, metrics, routeOf }: ObserveOptions): void {
  const answer = app.fetch
  app.fetch = async (request, bindings = {}, context) => {
    const started = performance.now()
    const { incoming, outgoing } = bindings as Partial<HttpEnv['Bindings']>
    const given = incoming ? incoming.headers['x-request-id'] : request.headers.get('x-request-id')
    const requestId = requestIdOf(given)
    const env: HttpEnv['Bindings'] = Object.assign(bindings, { requestId })
    outgoing?.setHeader('x-request-id', requestId)
    const response = await answer(request, env, context)
    if (outgoing === undefined) response.headers.set('x-request-id', requestId)
    const ms = performance.now() - started
    const { status } = response
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'other'
    const route = routeOf(getPath(request))
    metrics.httpRequests.inc({ route, method, code: status })
    metrics.httpSeconds.observe({ route }, ms / 1000)
    const { jobId } = env
    log.info({ requestId, method, route, status, jobId, ms: Math.round(ms) }, 'http.request')
    return response
  }
}

/** A client's own id is kept if it can stand in a header and a log line; else one is made. */
function requestIdOf(given: string | string[] | null | undefined): string {
  return typeof given === 'string' && /^[\w.:=+/-]{1,128}$/.test(given) ? given : randomUUID()
}

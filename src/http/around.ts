import { randomUUID } from 'node:crypto'
import { getPath } from 'hono/utils/url'
import type { Hono } from 'hono'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './context.ts'

/** Other methods are counted as `other`: a client could invent any number of them, and each would be a new time series. */
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Of every answer that says nothing else: each can be another one a moment later. Without it, a
 * shared cache may keep a 200 and a 404 by rules of its own (RFC 9111 section 4.2.2).
 */
const NO_STORE = 'no-store'

export interface ObserveOptions {
  readonly log: Log
  readonly metrics: Pick<Metrics, 'httpRequests' | 'httpSeconds'>
}

/**
 * Gives every request an id, and counts and logs it once it is answered. It replaces
 * `app.fetch`, and this file is the only one that wraps the app: as a middleware of
 * Hono the same work cost 36 of 354 us a request, because Hono then builds each answer twice.
 */
export function observe(
  app: Hono<HttpEnv>,
  routeOf: RouteOf,
  { log, metrics }: ObserveOptions,
): void {
  const answer = app.fetch
  app.fetch = async (request, bindings = {}, context) => {
    const started = performance.now()
    const { incoming, outgoing } = bindings as Partial<HttpEnv['Bindings']>
    const given = incoming ? incoming.headers['x-request-id'] : request.headers.get('x-request-id')
    const requestId = requestIdOf(given)
    const env: HttpEnv['Bindings'] = Object.assign(bindings, { requestId })
    outgoing?.setHeader('x-request-id', requestId)
    outgoing?.setHeader('cache-control', NO_STORE)
    const response = await answer(request, env, context)
    if (outgoing === undefined) addHeaders(response, env)
    const ms = performance.now() - started
    const { status } = response
    const method = KNOWN_METHODS.has(request.method) ? request.method : 'other'
    // The route's pattern, such as `/jobs/:id`: a path itself can hold any text.
    const route = routeOf(getPath(request))?.pattern ?? '/*'
    metrics.httpRequests.inc({ route, method, code: status })
    metrics.httpSeconds.observe({ route }, ms / 1000)
    const { jobId, code } = env
    const line = { requestId, method, route, status, code, jobId, ms: Math.round(ms) }
    // A reader of warnings alone must see that requests are refused, and why.
    log[status === 503 ? 'warn' : 'info'](line, 'http.request')
    return response
  }
}

/** Without a socket, what the socket's response would have by default. */
function addHeaders(
  { headers }: Response,
  { requestId, headers: more = {} }: HttpEnv['Bindings'],
): void {
  for (const [name, value] of Object.entries(more)) headers.set(name, value)
  headers.set('x-request-id', requestId)
  if (!headers.has('cache-control')) headers.set('cache-control', NO_STORE)
}

/** Keeps the client's own id if it is safe in a header and in a log line. Otherwise makes one. */
export function requestIdOf(given: string | string[] | null | undefined): string {
  return typeof given === 'string' && /^[\w.:=+/-]{1,128}$/.test(given) ? given : randomUUID()
}

/** A parameter of a route, and the pattern of its own if it has one, as in `:id{.+}`. */
const PARAMETER = /:\w+(?:\{([^}]+)\})?/g
const patternOf = (_: string, own = '[^/]+'): string => own

interface Route {
  readonly pattern: string
  readonly methods: readonly string[]
}

export type RouteOf = (path: string) => Route | undefined

/** Finds the route of a path, whatever the method of the request. */
export function routesOf(app: Hono<HttpEnv>): RouteOf {
  const methods = new Map<string, string[]>()
  for (const { path, method } of app.routes) {
    const also = method === 'GET' ? ['GET', 'HEAD'] : [method]
    methods.set(path, [...(methods.get(path) ?? []), ...also])
  }
  const routes = new Map([...methods].map(([path, all]) => [path, { pattern: path, methods: all }]))
  const withId = [...routes.values()].filter(({ pattern }) => pattern.includes(':'))
  const matchers = withId.map((route) => ({
    route,
    path: new RegExp(`^${route.pattern.replace(PARAMETER, patternOf)}$`),
  }))
  return (path) => routes.get(path) ?? matchers.find((one) => one.path.test(path))?.route
}

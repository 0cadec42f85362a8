import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { routePath } from 'hono/route'
import { GatewayError } from '../errors.ts'
import { docsRoutes } from './docs.ts'
import { answerError } from './errors.ts'
import { operationsRoutes } from './operations.ts'
import { protollmRoutes } from './protollm.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './env.ts'
import type { OperationsOptions } from './operations.ts'
import type { ProtollmOptions } from './protollm.ts'

export interface AppOptions extends ProtollmOptions, OperationsOptions {
  readonly log: Log
  readonly metrics: Metrics
}

/** Whoever sends other words makes no new time series of them. */
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** All routes, starting nothing: a test can call it without a socket. */
export function createApp(options: AppOptions): Hono<HttpEnv> {
  const { log, metrics } = options
  const app = new Hono<HttpEnv>()
  app.use(async (c, next) => {
    const started = performance.now()
    const requestId = requestIdOf(c.req.header('x-request-id'))
    c.set('requestId', requestId)
    // Before `next`: afterwards it would copy the whole response.
    c.header('x-request-id', requestId)
    await next()
    const { jobId } = c.var
    const ms = Math.round(performance.now() - started)
    const seconds = (performance.now() - started) / 1000
    const { method } = c.req
    // The route's pattern and not the path: that may hold anything.
    const route = routePath(c, -1)
    metrics.httpRequests.inc({
      route,
      method: KNOWN_METHODS.has(method) ? method : 'other',
      code: c.res.status,
    })
    metrics.httpSeconds.observe({ route }, seconds)
    log.info({ requestId, method, route, status: c.res.status, jobId, ms }, 'http.request')
  })
  app.route('/', protollmRoutes(options))
  app.route('/', operationsRoutes(options))
  app.route('/', docsRoutes())
  refuseOtherMethods(app)
  // Not thrown: what is thrown here passes by everything that runs after a route.
  app.notFound((c) =>
    answerError(new GatewayError('not_found', 'there is nothing at this path'), c, log),
  )
  app.onError((error, c) => answerError(error, c, log))
  return app
}

/** A client's own id is kept if it can stand in a header and a log line; else one is made. */
function requestIdOf(given: string | undefined): string {
  return given !== undefined && /^[\w.:=+/-]{1,128}$/.test(given) ? given : randomUUID()
}

/** A known path by another method is a 405 that names the right ones. */
function refuseOtherMethods(app: Hono<HttpEnv>): void {
  const methods = new Map<string, Set<string>>()
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue
    methods.set(path, (methods.get(path) ?? new Set()).add(method))
  }
  for (const [path, allowed] of methods) {
    if (allowed.has('GET')) allowed.add('HEAD')
    app.all(path, (c) => {
      c.header('allow', [...allowed].join(', '))
      throw new GatewayError(
        'method_not_allowed',
        `the method must be ${[...allowed].join(' or ')}`,
      )
    })
  }
}

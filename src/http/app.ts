import { Hono } from 'hono'
import { getPath } from 'hono/utils/url'
import { GatewayError } from '../errors.ts'
import { docsRoutes } from './docs.ts'
import { answerError } from './errors.ts'
import { jobsRoutes } from './jobs/jobs-routes.ts'
import { observe } from './around.ts'
import { operationsRoutes } from './operations.ts'
import { protollmRoutes } from './protollm/protollm-routes.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './context.ts'
import type { JobsOptions } from './jobs/jobs-routes.ts'
import type { OperationsOptions } from './operations.ts'
import type { ProtollmOptions } from './protollm/protollm-routes.ts'

export interface AppOptions extends ProtollmOptions, JobsOptions, OperationsOptions {
  readonly jobs: JobsOptions['jobs']
  readonly limits: JobsOptions['limits']
  readonly log: Log
  readonly metrics: Metrics
}

/** All routes, starting nothing: a test can call it without a socket. */
export function createApp(options: AppOptions): Hono<HttpEnv> {
  const { log, metrics } = options
  const app = new Hono<HttpEnv>()
  app.route('/', protollmRoutes(options))
  app.route('/', jobsRoutes(options))
  app.route('/', operationsRoutes(options))
  app.route('/', docsRoutes(options))
  const routeOf = routesOf(app)
  // Not thrown: what is thrown here passes by everything that runs after a route.
  app.notFound((c) => {
    const methods = routeOf(getPath(c.req.raw))?.methods
    if (methods === undefined) {
      return answerError(new GatewayError('not_found', 'there is nothing at this path'), c, log)
    }
    const wrong = `the method must be ${methods.join(' or ')}`
    const response = answerError(new GatewayError('method_not_allowed', wrong), c, log)
    response.headers.set('allow', methods.join(', '))
    return response
  })
  app.onError((error, c) => answerError(error, c, log))
  observe(app, { log, metrics, routeOf: (path) => routeOf(path)?.pattern ?? '/*' })
  return app
}

interface Route {
  readonly pattern: string
  readonly methods: readonly string[]
}

/** Which route a path belongs to, by whatever method. */
function routesOf(app: Hono<HttpEnv>): (path: string) => Route | undefined {
  const methods = new Map<string, string[]>()
  for (const { path, method } of app.routes) {
    const also = method === 'GET' ? ['GET', 'HEAD'] : [method]
    methods.set(path, [...(methods.get(path) ?? []), ...also])
  }
  const routes = new Map([...methods].map(([path, all]) => [path, { pattern: path, methods: all }]))
  const withId = [...routes.values()].filter(({ pattern }) => pattern.includes(':'))
  const matchers = withId.map((route) => ({
    route,
    path: new RegExp(`^${route.pattern.replace(/:\w+/g, '[^/]+')}$`),
  }))
  return (path) => routes.get(path) ?? matchers.find((one) => one.path.test(path))?.route
}

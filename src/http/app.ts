import { Hono } from 'hono'
import { GatewayError } from '../errors.ts'
import { observe, routesOf } from './around.ts'
import { docsRoutes } from './docs.ts'
import { jobsSurface } from './jobs/jobs-surface.ts'
import { openAiSurface } from './openai/openai-surface.ts'
import { openApiDocument } from './openapi/openapi.ts'
import { relativeTo } from './location.ts'
import { operationsSurface } from './operations.ts'
import { protollmSurface } from './protollm/protollm-surface.ts'
import { surfaceOf } from './surface.ts'
import type { Context } from 'hono'
import type { AppOptions } from './app-options.ts'
import type { RouteOf } from './around.ts'
import type { HttpEnv } from './context.ts'
import type { Surface } from './surface.ts'

/** The whole HTTP API. It opens no socket, so a test can send requests to it directly. */
export function createApp(options: AppOptions): Hono<HttpEnv> {
  const { models } = options
  const surfaces = [
    protollmSurface(options),
    jobsSurface(options),
    operationsSurface(options),
    ...(models === undefined ? [] : [openAiSurface({ ...options, models })]),
  ]
  return appOf(surfaces, options)
}

/** Where the path without slashes at its end is, if there is a route. FastAPI redirects so, too. */
function withoutSlash(c: Context<HttpEnv>, routeOf: RouteOf): string | undefined {
  if (routeOf(c.req.path.replace(/\/+$/, '')) === undefined) return undefined
  const { pathname, search } = new URL(c.req.url)
  return relativeTo(pathname, pathname.replace(/\/+$/, '')) + search
}

/** `GET /jobs` is the likely mistake of a client that looks for one job, so the answer names that route. */
function wrongMethod(
  c: Context<HttpEnv>,
  methods: readonly string[],
  routeOf: RouteOf,
): GatewayError {
  const { method, path } = c.req
  const below = routeOf(`${path}/{id}`)
  const hint = below?.methods.includes(method)
    ? `. For one item: ${method} ${below.pattern.replace(/:(\w+)(?:\{[^}]+\})?/g, '{$1}')}`
    : ''
  const taken = methods.join(' or ')
  return new GatewayError('method_not_allowed', `this path takes ${taken}, not ${method}${hint}`)
}

/** Serves these surfaces. At least one of them must have the prefix `''`. */
export function appOf(
  surfaces: readonly Surface[],
  { log, metrics }: Pick<AppOptions, 'log' | 'metrics'>,
): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>()
  for (const { routes } of surfaces) app.route('/', routes)
  app.route('/', docsRoutes(openApiDocument(surfaces.map(({ contract }) => contract))))
  const routeOf = routesOf(app)
  app.onError((error, c) => surfaceOf(surfaces, c.req.path).answerError(error, c))
  app.notFound((c) => {
    const { answerError } = surfaceOf(surfaces, c.req.path)
    const methods = routeOf(c.req.path)?.methods
    if (methods === undefined) {
      const location = withoutSlash(c, routeOf)
      if (location !== undefined) return c.redirect(location, 307)
      return answerError(new GatewayError('not_found', 'there is nothing at this path'), c)
    }
    const response = answerError(wrongMethod(c, methods, routeOf), c)
    response.headers.set('allow', methods.join(', '))
    return response
  })
  observe(app, routeOf, { log, metrics })
  return app
}

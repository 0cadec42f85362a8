import { Hono } from 'hono'
import { GatewayError } from '../errors.ts'
import { observe, routesOf } from './around.ts'
import { docsRoutes } from './docs.ts'
import { jobsSurface } from './jobs/jobs-surface.ts'
import { openAiSurface } from './openai/openai-surface.ts'
import { openApiDocument } from './openapi/openapi.ts'
import { operationsSurface } from './operations.ts'
import { protollmSurface } from './protollm/protollm-surface.ts'
import { surfaceOf } from './surface.ts'
import type { AppOptions } from './app-options.ts'
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
      return answerError(new GatewayError('not_found', 'there is nothing at this path'), c)
    }
    const wrong = `the method must be ${methods.join(' or ')}`
    const response = answerError(new GatewayError('method_not_allowed', wrong), c)
    response.headers.set('allow', methods.join(', '))
    return response
  })
  observe(app, routeOf, { log, metrics })
  return app
}

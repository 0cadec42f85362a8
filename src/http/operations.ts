import { Hono } from 'hono'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './context.ts'

/** One thing the gateway depends on, in words for a person. */
export interface PartHealth {
  readonly name: string
  readonly ready: boolean
  /** How it is; what is wrong and how to mend it, when it is not ready. */
  readonly detail: string
}

export interface OperationsOptions {
  readonly health: () => readonly PartHealth[]
  readonly metrics: Pick<Metrics, 'registry'>
}

/** For load balancers and people on call. */
export function operationsRoutes({ health, metrics }: OperationsOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  // Of the process alone: a dependency that is down is no reason to be restarted.
  routes.get('/livez', (c) => c.json({ status: 'ok' }))
  routes.get('/readyz', (c) => {
    const parts = health()
    const ready = parts.every((part) => part.ready)
    return c.json({ status: ready ? 'ready' : 'not ready', parts }, ready ? 200 : 503)
  })
  routes.get('/metrics', async (c) => {
    c.header('content-type', metrics.registry.contentType)
    return c.body(await metrics.registry.metrics())
  })
  return routes
}

import { Hono } from 'hono'
import { answerProblem } from './native/problem.ts'
import { OPERATIONS_CONTRACT } from './operations-openapi.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HttpEnv } from './context.ts'
import type { Surface } from './surface.ts'

/** One thing the gateway depends on. */
export interface PartHealth {
  readonly name: string
  readonly ready: boolean
  /** For a person: its state, or what is wrong and how to repair it. */
  readonly detail: string
  /** The workers that have announced themselves, by queue. Others are only known to the broker. */
  readonly announced?: readonly AnnouncedWorkers[]
  /** For a program: the queues, as they were seen last. Empty while that is not known. */
  readonly queues?: readonly QueueHealth[]
}

export interface AnnouncedWorkers {
  readonly queue: string
  readonly workers: number
  /** Jobs that they run now, and that they can run at a time. */
  readonly running: number
  readonly concurrency: number
}

export interface QueueHealth {
  readonly queue: string
  /** How many take jobs from the queue. */
  readonly workers: number
  /** Jobs that no worker holds yet. */
  readonly waiting: number
}

export interface OperationsOptions {
  readonly health: () => readonly PartHealth[]
  readonly metrics: Pick<Metrics, 'registry'>
  readonly log: Log
}

/** For load balancers, Prometheus and people on call. */
export const operationsSurface = (options: OperationsOptions): Surface => ({
  prefix: '',
  routes: operationsRoutes(options),
  contract: OPERATIONS_CONTRACT,
  answerError: answerProblem(options.log),
})

function operationsRoutes({ health, metrics }: OperationsOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  // Only the process counts here: a restart would not repair a server that the gateway depends on.
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

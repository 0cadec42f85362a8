import { onTestFinished } from 'vitest'
import { Listener } from '../../src/http/listener.ts'
import { Refusals, handlerOf } from '../../src/http/refusals.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { Hono } from 'hono'
import type { HttpEnv } from '../../src/http/context.ts'
import type { RefusalOptions } from '../../src/http/refusals.ts'

/** Serves an app on a free port, as the gateway does, and returns its URL. Closed after the test. */
export async function listen(
  app: Hono<HttpEnv>,
  options: RefusalOptions = { log: createLog('silent'), metrics: createMetrics() },
): Promise<string> {
  const refusals = new Refusals(options)
  const listener = new Listener(handlerOf(app, refusals), refusals)
  onTestFinished(() => listener.close(Promise.resolve(), 0))
  return listener.open({ host: '127.0.0.1', port: 0 })
}

import { setTimeout as delay } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { createApp } from './http/app.ts'
import { Listener } from './http/listener.ts'
import { createParts } from './parts.ts'
import { createMetrics } from './telemetry/metrics.ts'
import type { Config } from './config.ts'
import type { Parts } from './parts.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** For this long a stopping gateway still answers new requests: `/readyz` with 503, jobs with a refusal. */
export const FAREWELL_MS = 1_000

export interface RunningServer extends Pick<Parts, 'load' | 'models'> {
  readonly url: string
  /** Takes nothing new, finishes what is pending for up to `graceMs`, closes everything. */
  close(graceMs: number): Promise<void>
}

/**
 * Listens at once, whether or not the servers behind it are there: then requests
 * are refused at once and `/readyz` says why.
 */
export async function startServer(
  config: Config,
  log: Log,
  metrics: Metrics = createMetrics(),
): Promise<RunningServer> {
  const parts = createParts(config, log, metrics)
  const { gateway, health, load, models } = parts
  const { queues } = config
  const { maxBodyBytes } = config.http
  const limits = config.gateway
  const app = createApp({ gateway, limits, queues, maxBodyBytes, health, log, metrics })
  const listener = new Listener(getRequestListener(app.fetch))
  const url = await listener.open(config.http)
  await parts.open()
  return {
    url,
    load,
    models,
    close: async (graceMs) => {
      const drained = gateway.drain(graceMs)
      listener.sayGoodbye()
      // A client with an open connection gets an answer on it, instead of finding it cut in the middle of a request.
      await delay(Math.min(FAREWELL_MS, graceMs))
      await listener.close(drained, graceMs)
      await parts.close()
    },
  }
}

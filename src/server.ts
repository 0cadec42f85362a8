import { setTimeout as delay } from 'node:timers/promises'
import { createApp } from './http/app.ts'
import { Listener } from './http/listener.ts'
import { Refusals, handlerOf } from './http/refusals.ts'
import { createParts } from './parts.ts'
import { createMetrics } from './telemetry/metrics.ts'
import type { Config } from './config.ts'
import type { V1Options } from './http/app-options.ts'
import type { Models } from './models.ts'
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
  givenModels?: Models,
): Promise<RunningServer> {
  const parts = createParts(config, log, metrics)
  const { gateway, health, load } = parts
  const models = givenModels ?? parts.models
  const { queues } = config
  const { maxBodyBytes } = config.http
  const { carriesMeta } = config.dialect
  const limits = config.gateway
  const app = createApp({
    gateway,
    limits,
    queues,
    carriesMeta,
    maxBodyBytes,
    v1: v1Options(config, parts),
    models,
    health,
    log,
    metrics,
  })
  const refusals = new Refusals({ log, metrics })
  const listener = new Listener(handlerOf(app, refusals), refusals)
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

function v1Options(
  { http, dialect, queueOptions }: Config,
  { unanswered, background }: Parts,
): V1Options {
  return {
    maxBodyBytes: http.v1MaxBodyBytes,
    maxHeldBytes: http.v1MaxHeldBytes,
    carriesBodies: dialect.carriesBodies,
    maxPriorityOf: (queue) => {
      const max = queueOptions(queue).arguments['x-max-priority']
      return typeof max === 'number' ? max : undefined
    },
    unanswered,
    background,
  }
}

import { vi } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { answerOf, limits, noGateway, v1 } from './app.ts'
import type { Answer, RunOptions } from '../../src/gateway/gateway.ts'
import type { V1Options } from '../../src/http/app-options.ts'
import type { Job, Outcome } from '../../src/job.ts'
import type { Model, ModelRoute, Models } from '../../src/models.ts'

/** Models by name. `text` are those of workers that take only messages. */
export function modelsOf(routes: Readonly<Record<string, Partial<ModelRoute>>>): Models {
  const all: Model[] = Object.keys(routes).map((id) => ({
    id,
    createdAt: 1_790_000_000_500,
    ownedBy: 'us',
    isServed: true,
  }))
  return {
    all: () => all,
    route: (id) =>
      Object.hasOwn(routes, id)
        ? { queue: 'q', name: `${id}-at-worker`, isVerbatim: true, ...routes[id] }
        : undefined,
    settlesInMs: () => 0,
  }
}

export const MODELS = modelsOf({ whole: {}, text: { isVerbatim: false } })

/** The app with the OpenAI surface over a gateway that answers as told; nothing listens. */
export function openAiApp(
  run: (job: Job, options?: RunOptions) => Promise<Answer> = async () =>
    answerOf({ kind: 'succeeded', content: 'fine' }),
  {
    models = MODELS,
    timeoutMs = limits.timeoutMs,
    ...more
  }: Partial<V1Options> & { models?: Models; timeoutMs?: number } = {},
) {
  const spy = vi.fn<typeof run>(run)
  const app = createApp({
    gateway: { ...noGateway, run: spy },
    limits: { ...limits, timeoutMs },
    queues: ['q'],
    carriesMeta: false,
    maxBodyBytes: 10,
    models,
    v1: { ...v1, ...more },
    health: () => [],
    metrics: createMetrics(),
    log: createLog('silent'),
  })
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await app.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    const text = await response.text()
    const json = JSON.parse(text) as Record<string, unknown> & { error: Record<string, unknown> }
    return { status: response.status, headers: response.headers, text, json }
  }
  /** The job of the only request. */
  const job = (): Job => spy.mock.calls[0]?.[0] as Job
  return { app, post, run: spy, job }
}

export const succeeded = (outcome: Partial<Extract<Outcome, { kind: 'succeeded' }>>): Answer =>
  answerOf({ kind: 'succeeded', content: '', ...outcome })

export const CHAT = '/v1/chat/completions'
export const hello = (more: object = {}) => ({
  model: 'whole',
  messages: [{ role: 'user', content: 'Hello' }],
  ...more,
})

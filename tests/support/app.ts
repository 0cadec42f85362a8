import { expect, vi } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Lines } from '../../dev/lines.ts'
import type { AppOptions } from '../../src/http/app-options.ts'
import type { Answer } from '../../src/gateway/gateway.ts'
import type { Job, Outcome } from '../../src/job.ts'

const succeeded: Outcome = { kind: 'succeeded', content: 'fine', model: 'm' }
export const answerOf = (outcome: Outcome): Answer => ({
  view: { id: 'j', status: outcome.kind, createdAt: null, finishedAt: null, outcome },
  outcome,
  isReplay: false,
  stages: { arm: 0.5, total: 2 },
})

const unreachable = async () => expect.unreachable()
/** A gateway for tests that ask nothing of it. */
export const noGateway = {
  look: () => {},
  run: unreachable,
  submit: unreachable,
  view: unreachable,
  hold: unreachable,
  cancel: unreachable,
  stream: () => expect.unreachable(),
  follow: () => expect.unreachable(),
  kept: unreachable,
  lacksDeltas: unreachable,
  remove: unreachable,
}
/** What the OpenAI surface needs beside a gateway. */
export const v1 = {
  maxBodyBytes: 100_000,
  maxHeldBytes: 10_000_000,
  carriesBodies: true,
  maxPriorityOf: () => undefined,
  unanswered: { take: async () => undefined, put: async () => {} },
  background: { enter: async () => true, leave: async () => {} },
}
export const limits = { timeoutMs: 1_000, jobTtlMs: 10_000 }

/** The app over a gateway that answers as told; nothing listens. */
export function appWith(
  run: (job: Job) => Promise<Answer> = async () => answerOf(succeeded),
  maxBodyBytes = 1_000,
  gateway: Partial<AppOptions['gateway']> = {},
  more: Partial<AppOptions> = {},
) {
  const lines = new Lines()
  const spy = vi.fn<typeof run>(run)
  const app = createApp({
    gateway: { ...noGateway, run: spy, ...gateway },
    limits,
    queues: ['q', 'other'],
    carriesMeta: true,
    maxBodyBytes,
    v1,
    health: () => [{ name: 'broker', ready: false, detail: 'not connected' }],
    metrics: createMetrics(),
    log: createLog('debug', lines),
    ...more,
  })
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await app.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    const json = (await response.json()) as Record<string, unknown>
    return { status: response.status, headers: response.headers, json }
  }
  return { app, post, run: spy, lines }
}

export const valid = { job_id: 'j', meta: {}, content: 'x' }

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { isLong } from '../../support/long.ts'
import { metricsOf } from '../../support/metrics.ts'
import { startGatewayProgram } from '../../support/program.ts'
import { freshSettings } from '../../support/scene.ts'
import { startWorker } from '../../support/worker-stub.ts'
import { CANARY, SECRET } from './canary.ts'
import { Clients } from './clients.ts'
import { History, answerTo } from './history.ts'
import type { GatewayProgram } from '../../support/program.ts'
import type { Lines } from '../../../dev/lines.ts'
import type { Worker } from '../../../worker-stub/worker.ts'
import type { Settings } from '../../support/scene.ts'
import type { Counts } from './history.ts'

export interface FaultOptions {
  /** Settings of gateways and workers, the servers' addresses among them. */
  readonly settings?: Settings
  /** Settings of one gateway each; as many are started. */
  readonly gateways?: readonly Settings[]
  readonly ratePerS?: number
  /** Requests open at once. A machine that is too slow for the rate gets the load that it can bear. */
  readonly maxPending?: number
  readonly retries?: boolean
  /** What the engine takes for a job at most, in milliseconds. */
  readonly workMs?: number
  readonly workers?: number
  readonly workerSettings?: Settings
}

export interface SettleOptions {
  /** Outcomes from before have gone: only those from after this moment must still be the same. */
  readonly answeredAfter?: number
}

export interface FaultScene {
  readonly settings: ReturnType<typeof freshSettings>
  readonly gateways: GatewayProgram[]
  readonly history: History
  readonly clients: Clients
  /** Sums of a counter's series whose name begins so, over all gateways. */
  readonly counted: (series: string) => Promise<number>
  /** Ends the load, lets everything finish, asks again, and gives the counts. */
  readonly settle: (
    options?: SettleOptions,
  ) => Promise<Counts & { readonly codes: Record<string, number> }>
}

const RATE_PER_S = isLong ? 100 : 50

/** Every job is durable here: FAULTS promises the rest for our stub on a durable queue. */
const DEFAULTS = { QUEUE_DURABLE: 'true', TIMEOUT: '8', LOG_LEVEL: 'info' }

/** Gateways as processes, the stub with an engine that writes down what it does, and clients under load. */
export async function startFaultScene(options: FaultOptions = {}): Promise<FaultScene> {
  const { ratePerS = RATE_PER_S, retries = false, gateways: each = [{}] } = options
  const settings = { ...freshSettings(), ...DEFAULTS, ...options.settings }
  const history = new History()
  const workers = Array.from({ length: options.workers ?? 1 }, () =>
    startRecordingWorker({ ...settings, ...options.workerSettings }, history, options.workMs ?? 20),
  )
  await Promise.all(workers)
  const gateways = await Promise.all(
    each.map((own) => startGatewayProgram({ ...settings, ...own })),
  )
  const clients = new Clients({
    history,
    urls: () => gateways.map(({ url }) => url),
    ratePerS,
    maxPending: options.maxPending ?? 300,
    deadlineMs: Number(settings.TIMEOUT) * 1000,
    retries,
  })
  clients.start()
  // Two hundred answers before the fault, so that there is something to break.
  await eventually('the load runs', () => history.counts(0).answered >= 2 * Math.min(100, ratePerS))
  return {
    settings,
    gateways,
    history,
    clients,
    counted: (series) => countedBy(gateways, series),
    settle: async ({ answeredAfter = 0 } = {}) => {
      await clients.stop()
      await Promise.all(gateways.map(({ url }) => nothingLeft(url)))
      await clients.askAgain(answeredAfter)
      await Promise.all(gateways.map(({ url }) => nothingLeft(url)))
      for (const { log } of gateways) expectSilence(log)
      return { ...history.counts(Number(settings.TIMEOUT) * 1000), codes: history.codes() }
    },
  }
}

/** What no fault may bring about. */
export const NO_HARM = { lost: 0, crossed: 0, hung: 0, unexpected: 0, changed: 0 } as const

/** No request held, no subscription but the probe's, no timer of a request: I7. */
export async function nothingLeft(url: string): Promise<void> {
  await eventually(
    'nothing is left of any request',
    async () => {
      const metrics = await metricsOf(url)
      const { gateway_jobs_pending: pending, gateway_subscriptions: subscriptions } = metrics
      const timers = metrics['nodejs_active_resources{type="Timeout"}'] ?? 0
      const left = { pending, subscriptions, timers }
      if (pending === 0 && subscriptions === 1 && timers <= STANDING_TIMERS) return true
      throw new Error(JSON.stringify(left))
    },
    20_000,
  )
}

/** Watchdogs, heartbeats, probe, queue watch, sweep, the server's own check: with room for a probe's deadline and keep-alive. */
const STANDING_TIMERS = 16

/** No prompt, answer or password in any line (I10), and no promise without an await. */
export function expectSilence(log: Lines): void {
  expect(log.named('program.unhandled_rejection')).toEqual([])
  const text = log.all.map((line) => JSON.stringify(line)).join('\n')
  expect(text).not.toContain(CANARY)
  expect(text).not.toContain(SECRET)
}

async function countedBy(gateways: readonly GatewayProgram[], series: string): Promise<number> {
  let sum = 0
  for (const { url } of gateways) {
    for (const [name, value] of Object.entries(await metricsOf(url))) {
      if (name.startsWith(series)) sum += value ?? 0
    }
  }
  return sum
}

/** The stub itself, with an engine of the tests'. */
export async function startRecordingWorker(
  settings: Settings,
  history: History,
  workMs: number,
): Promise<Worker> {
  const { worker } = await startWorker(
    { ...settings, WORKER_CONCURRENCY: '64' },
    {
      async run(job, signal) {
        const mark = randomUUID()
        await delay(Math.random() * workMs, undefined, { signal })
        history.executions.push({ id: job.id, mark })
        const payload = job.messages.at(-1)?.content ?? ''
        return { kind: 'succeeded', content: answerTo(payload, mark) }
      },
    },
  )
  return worker
}

/** Refused for a reason of the fault, and taken again by itself within 10 s of its end: I8, I9. */
export async function readyAgain(url: string): Promise<void> {
  await eventually('it is ready again', async () => (await fetch(`${url}/readyz`)).ok, 10_000)
}

export async function unready(url: string): Promise<void> {
  await eventually('it is not ready', async () => !(await fetch(`${url}/readyz`)).ok, 30_000)
  expect((await fetch(`${url}/livez`)).status).toBe(200)
}

import { setTimeout as pause } from 'node:timers/promises'
import { startProcess } from './processes.ts'
import { rssBytes } from './processor-time.ts'
import { median, quantile } from './stats.ts'
import type { Measured } from './load.ts'
import type { Stage } from './stage.ts'

export interface Held {
  readonly count: number
  readonly bytesPerRequest: number
  /** Milliseconds of a new request on an idle gateway, and among the pending ones. */
  readonly p50Idle: number
  readonly p50Among: number
  /** Milliseconds until all pending requests have their answers, once the results are written. */
  readonly answeredInMs: number
  readonly right: number
  /** Of the new requests. */
  readonly wrong: number
}

/** 10,000 requests that are pending at once. */
export async function measureHeld(stage: Stage): Promise<Held> {
  const { gateway, worker, env, isSmoke, say } = stage
  const count = isSmoke ? 1_000 : 10_000
  say(`${count} pending requests`)
  const holder = await startProcess('client', env)
  const idle = await newRequests(stage)
  const before = rssBytes(gateway.pid)
  await holder.ask({ url: gateway.url, concurrency: 0, ms: 0, hold: count })
  await untilHeld(stage, count)
  // By then the gateway has marked all of them as published.
  await pause(1_000)
  const bytesPerRequest = (rssBytes(gateway.pid) - before) / count
  const among = await newRequests(stage)
  const released = performance.now()
  await worker.ask('release')
  const { right } = await holder.ask<{ right: number }>('released')
  const answeredInMs = performance.now() - released
  await holder.end()
  const wrong = [...idle, ...among].reduce((sum, one) => sum + one.wrong, 0)
  const [p50Idle, p50Among] = [p50(idle), p50(among)]
  return { count, bytesPerRequest, p50Idle, p50Among, answeredInMs, right, wrong }
}

async function newRequests({ gateway, client, isSmoke }: Stage): Promise<Measured[]> {
  const load = { url: gateway.url, concurrency: 1, ms: isSmoke ? 300 : 2_000 }
  return [await client.measure(load), await client.measure(load)]
}

const p50 = (rounds: readonly Measured[]): number =>
  median(rounds.map(({ latencies }) => quantile(latencies, 0.5)))

export async function untilHeld({ worker }: Stage, count: number): Promise<void> {
  while ((await worker.ask<number>('held')) < count) await pause(50)
}

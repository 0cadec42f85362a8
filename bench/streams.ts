import { randomUUID } from 'node:crypto'
import { freePort } from '../dev/services/port.ts'
import { delaysInRounds, keyOf } from './delays.ts'
import { startGateway, startProcess } from './processes.ts'
import { quantile } from './stats.ts'
import type { DelayRow, StreamLoad, Way } from './delays.ts'
import type { BenchProcess } from './processes.ts'
import type { Stage } from './stage.ts'

export interface Streams {
  /** One stream: the least there is, and the gateway. Many streams: the least program with HTTP, and the gateway. */
  readonly one: readonly [floor: DelayRow, gateway: DelayRow]
  readonly many: readonly [floor: DelayRow, gateway: DelayRow]
  /** Milliseconds from a client's leaving to the stop of the engine. */
  readonly leaving: { readonly p50: number; readonly p95: number }
}

/** How many streams there are at once, and how fast each of them is. */
export const manyStreams = ({ isSmoke }: Stage) => ({
  count: isSmoke ? 50 : 500,
  perSecondEach: 40,
})

const newIds = (count: number): string[] => Array.from({ length: count }, () => randomUUID())

export async function measureStreams(stage: Stage): Promise<Streams> {
  const gateway = wayOfGateway(stage)
  const one = { count: 1, perSecondEach: 100 }
  const delays = await besideFloor(stage, async (load, floor) => ({
    one: await delaysInRounds(stage, load, one, [withoutHttp, gateway] as const),
    many: await delaysInRounds(stage, load, manyStreams(stage), [floor, gateway] as const),
  }))
  return { ...delays, leaving: await measureLeaving(stage) }
}

/** Starts what writes and reads deltas, and the floor of many streams; ends them after the measurement. */
export async function besideFloor<T>(
  { env, worker, isSmoke }: Stage,
  measure: (load: StreamLoad, floor: Way) => Promise<T>,
): Promise<T> {
  const port = String(await freePort())
  const [producer, reader, sse] = await Promise.all([
    startProcess('producer', env),
    startProcess('reader', env),
    startProcess('floor-sse', { ...env, PORT: port }),
  ])
  const load = { producer, reader, ms: isSmoke ? 500 : 3_000 }
  const result = await measure(load, wayOfSse(sse, `http://127.0.0.1:${port}`))
  await Promise.all([producer, reader, sse].map((process) => process.end()))
  await worker.ask('release')
  return result
}

/** Event and XRANGE, by the reader itself. */
const withoutHttp: Way = {
  name: 'event and XRANGE',
  open: async (reader, count) => {
    const keys = newIds(count).map(keyOf)
    await reader.ask({ kind: 'floor', keys })
    return keys
  },
}

const wayOfSse = ({ pid }: BenchProcess, url: string): Way => ({
  name: 'XREAD and bare HTTP',
  pid,
  open: async (reader, count) => {
    const ids = newIds(count)
    await reader.ask({ kind: 'sse', url, ids })
    return ids.map(keyOf)
  },
})

const wayOfGateway = ({ gateway: { pid, url } }: Stage): Way => ({
  name: 'gateway',
  pid,
  open: async (reader, count) => {
    const ids = await submit(url, count)
    await reader.ask({ kind: 'sse', url, ids })
    return ids.map(keyOf)
  },
})

/** Jobs that the bench's worker holds. */
async function submit(url: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    const response = await fetch(`${url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"content":"hold"}',
    })
    ids.push(((await response.json()) as { job_id: string }).job_id)
  }
  return ids
}

async function measureLeaving({ env, isSmoke, say, here }: Stage) {
  say('clients that leave')
  const own = { ...env, QUEUE_NAME: 'bench-leaving', REDIS_PREFIX: 'bench-leaving' }
  const leaver = await startProcess('leaver', own)
  const gateway = await startGateway(own, here)
  const times = await leaver.ask<number[]>({ url: gateway.url, count: isSmoke ? 10 : 200 })
  await Promise.all([leaver.end(), gateway.end()])
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95) }
}

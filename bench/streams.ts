import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../dev/services/port.ts'
import { startGateway, startProcess } from './processes.ts'
import { cpuSeconds } from './processor-time.ts'
import { orderOf, quantile } from './stats.ts'
import type { BenchProcess } from './processes.ts'
import type { Production } from './producer.ts'
import type { Read, Reading } from './reader.ts'
import type { Stage } from './stage.ts'

/** How late deltas reach their readers, in milliseconds from the worker's write. */
export interface Delay {
  readonly p50: number
  readonly p99: number
  readonly perSecond: number
  readonly lost: number
  readonly disordered: number
  /** In percent of a core: the program between Redis and the readers, Redis, and the load (writer and readers). */
  readonly serverCpu: number | undefined
  readonly redisCpu: number | undefined
  readonly loadCpu: number
}

export interface DelayRow {
  readonly name: string
  readonly streams: number
  readonly rounds: readonly Delay[]
}

export interface Streams {
  /** One stream: the least there is, and the gateway. Many streams: the least program with HTTP, and the gateway. */
  readonly one: readonly [floor: DelayRow, gateway: DelayRow]
  readonly many: readonly [floor: DelayRow, gateway: DelayRow]
  /** Milliseconds from a client's leaving to the stop of the engine. */
  readonly leaving: { readonly p50: number; readonly p95: number }
}

/** One way for deltas to reach a reader. */
interface Way {
  readonly name: string
  readonly pid?: number
  /** Makes so many streams. */
  open(count: number): Promise<{ reading: Reading; keys: string[] }>
}

const keyOf = (id: string): string => `{bench:${id}}:deltas`
const newIds = (count: number): string[] => Array.from({ length: count }, () => randomUUID())

export async function measureStreams(stage: Stage): Promise<Streams> {
  const { env, worker, isSmoke } = stage
  const port = String(await freePort())
  const [producer, reader, sse] = await Promise.all([
    startProcess('producer', env),
    startProcess('reader', env),
    startProcess('floor-sse', { ...env, PORT: port }),
  ])
  const load = { producer, reader, ms: isSmoke ? 500 : 3_000 }
  const gateway = wayOfGateway(stage)
  const floor = wayOfSse(sse, `http://127.0.0.1:${port}`)
  const one = { count: 1, perSecondEach: 100 }
  const many = { count: isSmoke ? 50 : 500, perSecondEach: 40 }
  const delays = {
    one: await inRounds(stage, load, one, [withoutHttp, gateway]),
    many: await inRounds(stage, load, many, [floor, gateway]),
  }
  await Promise.all([producer, reader, sse].map((process) => process.end()))
  await worker.ask('release')
  return { ...delays, leaving: await measureLeaving(stage) }
}

/** Event and XRANGE, by the reader itself. */
const withoutHttp: Way = {
  name: 'event and XRANGE',
  open: async (count) => {
    const keys = newIds(count).map(keyOf)
    return { reading: { kind: 'floor', keys }, keys }
  },
}

const wayOfSse = ({ pid }: BenchProcess, url: string): Way => ({
  name: 'XREAD and bare HTTP',
  pid,
  open: async (count) => {
    const ids = newIds(count)
    return { reading: { kind: 'sse', url, ids }, keys: ids.map(keyOf) }
  },
})

const wayOfGateway = ({ gateway: { pid, url } }: Stage): Way => ({
  name: 'gateway',
  pid,
  open: async (count) => {
    const ids = await submit(url, count)
    return { reading: { kind: 'sse', url, ids }, keys: ids.map(keyOf) }
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

interface StreamLoad {
  readonly producer: BenchProcess
  readonly reader: BenchProcess
  readonly ms: number
}

interface Size {
  readonly count: number
  readonly perSecondEach: number
}

async function inRounds(
  stage: Stage,
  load: StreamLoad,
  size: Size,
  ways: readonly [Way, Way],
): Promise<[DelayRow, DelayRow]> {
  const delays = new Map<Way, Delay[]>(ways.map((way) => [way, []]))
  for (let round = 0; round < stage.rounds; round += 1) {
    stage.say(`streams, ${size.count} at once: round ${round + 1} of ${stage.rounds}`)
    for (const way of orderOf(ways, round)) {
      delays.get(way)?.push(await delayOf(stage, load, size, way))
    }
  }
  const rowOf = (way: Way): DelayRow => ({
    name: way.name,
    streams: size.count,
    rounds: delays.get(way) ?? [],
  })
  return [rowOf(ways[0]), rowOf(ways[1])]
}

async function delayOf(
  { services }: Stage,
  { producer, reader, ms }: StreamLoad,
  { count, perSecondEach }: Size,
  way: Way,
): Promise<Delay> {
  const { reading, keys } = await way.open(count)
  await reader.ask<'reading'>(reading)
  const stops = [way.pid, services.redis.pid, producer.pid, reader.pid].map(stopwatch)
  const written = await producer.ask<number>({ keys, perSecondEach, ms } satisfies Production)
  await pause(500)
  const [serverCpu, redisCpu, ...loadCpu] = stops.map((stop) => stop(ms))
  const { latencies, received, disordered } = await reader.ask<Read>('stop')
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    perSecond: Math.round(written / (ms / 1000)),
    lost: written - received,
    disordered,
    serverCpu,
    redisCpu,
    loadCpu: loadCpu.reduce<number>((sum, cpu) => sum + (cpu ?? 0), 0),
  }
}

/** Percent of a core that a process uses from now on, over so many milliseconds. */
function stopwatch(pid: number | undefined): (ms: number) => number | undefined {
  if (pid === undefined) return () => undefined
  const before = cpuSeconds(pid)
  return (ms) => ((cpuSeconds(pid) - before) / (ms / 1000)) * 100
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

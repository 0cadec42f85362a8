import { setTimeout as pause } from 'node:timers/promises'
import { cpuSeconds } from './processor-time.ts'
import { orderOf, quantile } from './stats.ts'
import type { BenchProcess } from './processes.ts'
import type { Production } from './producer.ts'
import type { Read } from './reader.ts'
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

/** One way for deltas to reach a reader. */
export interface Way {
  readonly name: string
  readonly pid?: number
  /** Makes the reader read so many streams. Resolves with their keys. */
  open(reader: BenchProcess, count: number): Promise<readonly string[]>
}

export const keyOf = (id: string): string => `{bench:${id}}:deltas`

export interface StreamLoad {
  readonly producer: BenchProcess
  readonly reader: BenchProcess
  readonly ms: number
}

export interface Size {
  readonly count: number
  readonly perSecondEach: number
}

/** All ways in each round, one after another. The rows come in the order of the ways. */
export async function delaysInRounds<Ways extends readonly Way[]>(
  stage: Stage,
  load: StreamLoad,
  size: Size,
  ways: Ways,
): Promise<{ readonly [At in keyof Ways]: DelayRow }> {
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
  return ways.map(rowOf) as { [At in keyof Ways]: DelayRow }
}

async function delayOf(
  { services }: Stage,
  { producer, reader, ms }: StreamLoad,
  { count, perSecondEach }: Size,
  way: Way,
): Promise<Delay> {
  const keys = await way.open(reader, count)
  const stops = [way.pid, services.redis.pid, producer.pid, reader.pid].map(stopwatch)
  const written = await producer.ask<number>({ keys, perSecondEach, ms } satisfies Production)
  await pause(500)
  const [serverCpu, redisCpu, ...loadCpu] = stops.map((stop) => stop(ms))
  await untilRead(reader, written)
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

/** A delta that is late is not lost: it counts with its delay. */
async function untilRead(reader: BenchProcess, written: number): Promise<void> {
  let received = -1
  for (;;) {
    const now = await reader.ask<number>('received')
    if (now >= written || now === received) return
    received = now
    await pause(LOST_AFTER_MS)
  }
}

/** When for so long no delta has come, those that are missing are lost. */
const LOST_AFTER_MS = 2_000

/** Percent of a core that a process uses from now on, over so many milliseconds. */
function stopwatch(pid: number | undefined): (ms: number) => number | undefined {
  if (pid === undefined) return () => undefined
  const before = cpuSeconds(pid)
  return (ms) => ((cpuSeconds(pid) - before) / (ms / 1000)) * 100
}

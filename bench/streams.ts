import { cpuSeconds, startGateway, startTold } from './processes.ts'
import { median, percentile } from './stats.ts'
import type { Told } from './processes.ts'
import type { Production } from './producer.ts'
import type { Read, Reading } from './reader.ts'
import type { Stage } from './speed.ts'

/** How late deltas are, in milliseconds from the worker's write. */
export interface Delay {
  readonly name: string
  readonly streams: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly lost: number
  readonly disordered: number
  /** Of the gateway, in percent of a core. */
  readonly cpuPercent?: number
}

export interface Streams {
  readonly delays: readonly Delay[]
  /** Milliseconds from a client's leaving to the stop of the engine. */
  readonly leaving: { readonly p50: number; readonly p95: number }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Jobs that nobody answers: the bench's worker holds them. */
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

interface Source {
  readonly producer: Told
  readonly reader: Told
  readonly ms: number
}

async function delayOf(
  { producer, reader, ms }: Source,
  reading: Reading,
  keys: readonly string[],
  perSecondEach: number,
  pid?: number,
): Promise<Omit<Delay, 'name'>> {
  await reader.ask<'reading'>(reading)
  const before = pid === undefined ? 0 : cpuSeconds(pid)
  const production: Production = { keys, perSecondEach, ms }
  const written = await producer.ask<number>(production)
  await pause(500)
  const seconds = ms / 1000
  const cpuPercent = pid === undefined ? undefined : ((cpuSeconds(pid) - before) / seconds) * 100
  const { latencies, received, disordered } = await reader.ask<Read>('stop')
  return {
    streams: keys.length,
    perSecond: Math.round(written / seconds),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    lost: written - received,
    disordered,
    ...(cpuPercent !== undefined && { cpuPercent }),
  }
}

export async function measureStreams(stage: Stage, directory: string): Promise<Streams> {
  const { env, gateway, rounds, isSmoke, say } = stage
  say('# streams')
  const [producer, reader] = await Promise.all([
    startTold('producer.ts', env),
    startTold('reader.ts', env),
  ])
  const source = { producer, reader, ms: isSmoke ? 500 : 3_000 }
  const keyOf = (id: string): string => `{bench:${id}}:deltas`
  const sse = (ids: readonly string[]): Reading => ({ kind: 'sse', url: gateway.url, ids })
  const floors: Omit<Delay, 'name'>[] = []
  const ones: Omit<Delay, 'name'>[] = []
  for (let round = 0; round < rounds; round += 1) {
    const keys = [`{bench:floor-${round}}:deltas`]
    floors.push(await delayOf(source, { kind: 'floor', keys }, keys, 100))
    const ids = await submit(gateway.url, 1)
    ones.push(await delayOf(source, sse(ids), ids.map(keyOf), 100, gateway.pid))
  }
  const ids = await submit(gateway.url, isSmoke ? 50 : 500)
  const many = await delayOf(source, sse(ids), ids.map(keyOf), 40, gateway.pid)
  for (const told of [producer, reader]) told.child.kill()
  const delays = [
    { name: 'floor', ...medianOf(floors) },
    { name: 'gateway', ...medianOf(ones) },
    { name: 'gateway', ...many },
  ]
  return { delays, leaving: await measureLeaving(stage, directory) }
}

async function measureLeaving({ env, isSmoke, say }: Stage, directory: string) {
  say('# leaving clients')
  const own = { ...env, QUEUE_NAME: 'bench-leaving', REDIS_PREFIX: 'bench-leaving' }
  const leaver = await startTold('leaver.ts', own)
  const gateway = await startGateway(own, directory)
  const times = await leaver.ask<number[]>({ url: gateway.url, count: isSmoke ? 10 : 200 })
  leaver.child.kill()
  await gateway.end()
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95) }
}

function medianOf(all: readonly Omit<Delay, 'name'>[]): Omit<Delay, 'name'> {
  const of = (field: 'p50' | 'p99' | 'perSecond' | 'cpuPercent'): number =>
    median(all.map((one) => one[field] ?? 0))
  const sum = (field: 'lost' | 'disordered'): number =>
    all.reduce((total, one) => total + one[field], 0)
  return {
    streams: 1,
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    lost: sum('lost'),
    disordered: sum('disordered'),
    cpuPercent: of('cpuPercent'),
  }
}

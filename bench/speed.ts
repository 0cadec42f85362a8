import { freePort } from '../dev/services/port.ts'
import { cpuSeconds, startTold } from './processes.ts'
import { median, percentile } from './stats.ts'
import type { Gateway, Told } from './processes.ts'

export interface Stage {
  readonly env: Readonly<Record<string, string>>
  readonly worker: Told
  readonly client: Told
  readonly gateway: Gateway
  readonly rounds: number
  readonly roundMs: number
  readonly isSmoke: boolean
  readonly say: (line: string) => void
}

/** Medians over the rounds, and the least and most of them; milliseconds and requests a second. */
export interface Speed {
  readonly name: string
  readonly concurrency: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly perSecond: number
  readonly spread: readonly [least: number, most: number]
  /** Of the process that answers, in microseconds. */
  readonly cpuUs: number
  readonly wrong: number
  /** Milliseconds by stage, from the gateway's own `server-timing`. */
  readonly stages?: Record<string, number>
}

interface Contender {
  readonly name: string
  readonly pid: number
  /** Who sends: the client over HTTP, or the process itself. */
  readonly sender: Told
  readonly url?: string
}

/** Contenders that speak HTTP get a port and are asked by the client; floors without it ask themselves. */
async function startContender(stage: Stage, way: string, isHttp: boolean): Promise<Contender> {
  const port = isHttp ? String(await freePort()) : undefined
  const env = { ...stage.env, WAY: way, ...(port !== undefined && { PORT: port }) }
  const told = await startTold('competitor.ts', env)
  if (port === undefined) return { name: way, pid: told.pid, sender: told }
  return { name: way, pid: told.pid, sender: stage.client, url: `http://127.0.0.1:${port}` }
}

interface Sample {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly perSecond: number
  readonly cpuUs: number
  readonly wrong: number
  readonly stages: Record<string, number>
}

async function sample(
  contender: Contender,
  load: { concurrency: number; ms: number; ratePerS?: number; prompt?: string },
): Promise<Sample> {
  const { pid, sender, url } = contender
  const before = cpuSeconds(pid)
  const result = await sender.measure({ ...load, ...(url !== undefined && { url }) })
  const { latencies, perSecond, wrong, stages = {} } = result
  return {
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    perSecond,
    cpuUs: ((cpuSeconds(pid) - before) / latencies.length) * 1e6,
    wrong,
    stages: Object.fromEntries(
      Object.entries(stages).map(([name, values]) => [name, median(values)]),
    ),
  }
}

function speedOf(name: string, concurrency: number, samples: readonly Sample[]): Speed {
  const of = (field: 'p50' | 'p95' | 'p99' | 'perSecond' | 'cpuUs'): number =>
    median(samples.map((one) => one[field]))
  const rates = samples.map(({ perSecond }) => perSecond)
  const names = Object.keys(samples[0]?.stages ?? {})
  return {
    name,
    concurrency,
    p50: of('p50'),
    p95: of('p95'),
    p99: of('p99'),
    perSecond: of('perSecond'),
    spread: [Math.min(...rates), Math.max(...rates)],
    cpuUs: of('cpuUs'),
    wrong: samples.reduce((sum, one) => sum + one.wrong, 0),
    stages: Object.fromEntries(
      names.map((stage) => [stage, median(samples.map(({ stages }) => stages[stage] ?? 0))]),
    ),
  }
}

/** Everybody in every round, the order turned by one each time, so that none always comes after the same. */
async function inRounds(
  { rounds, say }: Stage,
  what: string,
  entries: readonly (readonly [
    Contender,
    { concurrency: number; ms: number; ratePerS?: number; prompt?: string },
  ])[],
): Promise<Speed[]> {
  const samples = entries.map((): Sample[] => [])
  for (let round = 0; round < rounds; round += 1) {
    say(`# ${what}: round ${round + 1} of ${rounds}`)
    for (let turn = 0; turn < entries.length; turn += 1) {
      const index = (turn + round) % entries.length
      const [contender, load] = entries[index] as (typeof entries)[number]
      samples[index]?.push(await sample(contender, load))
    }
  }
  return entries.map(([{ name }, { concurrency }], index) =>
    speedOf(name, concurrency, samples[index] ?? []),
  )
}

const ofGateway = ({ gateway, client }: Stage): Contender => ({
  name: 'gateway',
  pid: gateway.pid,
  sender: client,
  url: gateway.url,
})

/** An id made by the gateway: no claim has to be acknowledged before the publish. */
const ofJobs = (stage: Stage): Contender => ({
  ...ofGateway(stage),
  name: 'POST /jobs',
  url: `${stage.gateway.url}/jobs`,
})

let floorC: Contender | undefined
const contenderC = async (stage: Stage): Promise<Contender> =>
  (floorC ??= await startContender(stage, 'C', true))

/** Closed loop. */
export async function measureLoops(stage: Stage): Promise<Speed[]> {
  const { roundMs: ms, isSmoke } = stage
  const gateway = ofGateway(stage)
  const floors = [
    await startContender(stage, 'A', false),
    await startContender(stage, 'B', false),
    await contenderC(stage),
    await startContender(stage, 'bare Hono', true),
    gateway,
  ]
  const others = [
    await startContender(stage, 'direct reply-to', false),
    await startContender(stage, 'predecessor', true),
  ]
  // Once each before anything counts: code that is cold is slow.
  for (const contender of [...floors, ...others]) {
    await sample(contender, { concurrency: 16, ms: isSmoke ? 500 : 2_000 })
  }
  return inRounds(stage, 'closed loop', [
    ...floors.flatMap((one) => [1, 64].map((concurrency) => [one, { concurrency, ms }] as const)),
    [ofJobs(stage), { concurrency: 1, ms }] as const,
    ...[16, 256, 1_024].map((concurrency) => [gateway, { concurrency, ms }] as const),
    ...others.map((one) => [one, { concurrency: 64, ms }] as const),
  ])
}

/** At 30 % of what C does at 64 in flight. */
export async function measureOpenLoop(stage: Stage, loops: readonly Speed[]): Promise<Speed[]> {
  const capacity = loops.find(({ name, concurrency }) => name === 'C' && concurrency === 64)
  const load = {
    concurrency: 0,
    ms: stage.roundMs * 2,
    ratePerS: (capacity?.perSecond ?? 1_000) * 0.3,
  }
  const contenders = [await contenderC(stage), ofGateway(stage)]
  return inRounds(
    stage,
    'open loop',
    contenders.map((one) => [one, load] as const),
  )
}

/** A worker that takes 0 to 100 ms: what is added to that, against somebody who looks every so often. */
export async function measureDelays(stage: Stage): Promise<Speed[]> {
  const load = { concurrency: 8, ms: stage.roundMs, prompt: 'delay' }
  const contenders = [
    await contenderC(stage),
    ofGateway(stage),
    await startContender(stage, 'poll 10 ms', true),
    await startContender(stage, 'poll 100 ms', true),
  ]
  return inRounds(
    stage,
    'slow worker',
    contenders.map((one) => [one, load] as const),
  )
}

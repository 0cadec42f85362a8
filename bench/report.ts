import { cpus, totalmem } from 'node:os'
import { NOTES } from './notes.ts'
import type { Commands, Held, Idle } from './footprint.ts'
import type { Speed } from './speed.ts'
import type { Delay, Streams } from './streams.ts'

export interface Results {
  readonly loops: readonly Speed[]
  readonly openLoop: readonly Speed[]
  readonly delays: readonly Speed[]
  readonly commands: Commands
  readonly streams: Streams
  readonly held: Held
  readonly replicas: Readonly<Record<string, { own: number; foreign: number }>>
  readonly idle: Idle
}

/** One figure with its bound: at most, or at least. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly bound: number
  readonly isAtLeast?: boolean
}

/** By how much a figure misses its bound: 1 is met. */
function missOf({ value, bound, isAtLeast }: Figure): number {
  if (bound === 0) return 1 + value
  return Math.max(1, isAtLeast ? bound / value : value / bound)
}

export const worst = (figures: readonly Figure[]): number => Math.max(...figures.map(missOf))

export function bounds({
  loops,
  openLoop,
  delays,
  commands,
  streams,
  held,
  replicas,
  idle,
}: Results): Figure[] {
  const at = (name: string, concurrency: number): Speed =>
    loops.find((one) => one.name === name && one.concurrency === concurrency) as Speed
  const of = (speeds: readonly Speed[], name: string): Speed =>
    speeds.find((one) => one.name === name) as Speed
  const added = (name: string): number => of(delays, name).p50
  const counts = Object.keys(replicas).map(Number)
  const [few, most] = [replicas[Math.min(...counts)], replicas[Math.max(...counts)]]
  const ratio = (kind: 'own' | 'foreign'): number => (most?.[kind] ?? 0) / (few?.[kind] ?? 1)
  const gateway = at('gateway', 64)
  const [floor, one, many] = streams.delays as [Delay, Delay, Delay]
  const c = at('C', 64)
  return [
    { name: 'p50 / C, 1 in flight', value: at('gateway', 1).p50 / at('C', 1).p50, bound: 1.1 },
    {
      name: 'p99 / C, open loop at 30 % of capacity',
      value: of(openLoop, 'gateway').p99 / of(openLoop, 'C').p99,
      bound: 1.3,
    },
    {
      name: 'requests a second / C, 64 in flight',
      value: gateway.perSecond / c.perSecond,
      bound: 0.9,
      isAtLeast: true,
    },
    { name: 'CPU of a request / C, 64 in flight', value: gateway.cpuUs / c.cpuUs, bound: 1.25 },
    {
      name: 'added latency / polling every 100 ms',
      value: added('gateway') / added('poll 100 ms'),
      bound: 1 / 30,
    },
    {
      name: 'added latency / polling every 10 ms',
      value: added('gateway') / added('poll 10 ms'),
      bound: 1 / 4,
    },
    {
      name: 'requests a second / the predecessor’s scheme, 64 in flight',
      value: gateway.perSecond / at('predecessor', 64).perSecond,
      bound: 20,
      isAtLeast: true,
    },
    {
      name: `KB a pending request, its socket included, at ${held.count}`,
      value: held.bytesPerRequest / 1024,
      bound: 24,
    },
    {
      name: `p50 of a new request among ${held.count} pending / on an idle gateway`,
      value: held.p50Among / held.p50Idle,
      bound: 1.3,
    },
    {
      name: `SETs a second of own keys, ${Math.max(...counts)} gateways / 1`,
      value: ratio('own'),
      bound: 0.95,
      isAtLeast: true,
    },
    {
      name: `SETs a second of foreign keys, ${Math.max(...counts)} gateways / 1`,
      value: ratio('foreign'),
      bound: 0.95,
      isAtLeast: true,
    },
    {
      name: 'Redis commands sent for a job / C',
      value: (commands.sent.gateway ?? 0) / (commands.sent.C ?? 1),
      bound: 1,
    },
    {
      name: 'p50 / C, POST /jobs with Prefer: wait, 1 in flight',
      value: at('POST /jobs', 1).p50 / at('C', 1).p50,
      bound: 0.95,
    },
    { name: 'p50 of a delta / its floor, 1 stream', value: one.p50 / floor.p50, bound: 2 },
    {
      name: `p99 of a delta in milliseconds, ${many.streams} streams of 40 a second`,
      value: many.p99,
      bound: 100,
    },
    {
      name: `deltas lost or out of order, ${many.streams} streams`,
      value: many.lost + many.disordered,
      bound: 0,
    },
    {
      name: 'milliseconds from a client’s leaving to the engine’s stop, p95',
      value: streams.leaving.p95,
      bound: 100,
    },
    {
      name: 'milliseconds from a cold start to listening',
      value: idle.coldStartMs,
      bound: 400,
    },
    { name: 'MB of an idle gateway, 25 s after its start', value: idle.rssMb, bound: 90 },
  ]
}

export function report(
  results: Results,
  figures: readonly Figure[],
  run: { readonly rounds: number; readonly roundMs: number },
): string {
  const { loops, openLoop, delays, commands, streams, held, replicas } = results
  const b = loops.find(({ name, concurrency }) => name === 'B' && concurrency === 1) as Speed
  const c = loops.find(({ name, concurrency }) => name === 'C' && concurrency === 1) as Speed
  const stages = loops.find(({ name, concurrency }) => name === 'gateway' && concurrency === 1)
  return `# Benchmark

\`npm run bench\` on ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}:
${run.rounds} rounds of ${run.roundMs / 1000} s, everybody in each round, the order turned. Gateway (the built one, its log at info),
worker, client, RabbitMQ and Redis are processes of their own on the same cores, so only ratios within one run mean
anything. All features are on.

${table(
  ['figure', 'is', 'bound', ''],
  figures.map((figure) => {
    const miss = missOf(figure)
    const sign = figure.isAtLeast ? '≥' : '≤'
    const verdict = miss === 1 ? 'met' : `missed by ${Math.round((miss - 1) * 100)} %`
    return [figure.name, round(figure.value), `${sign} ${round(figure.bound)}`, verdict]
  }),
)}

## Closed loop

A: publish, worker, SET, event, GET in a loop without HTTP. B: A with the contract's steps (claim and SUBSCRIBE
acknowledged before the publish, mandatory, confirm asked for, GETEX). C: bare \`node:http\` in front of B, the floor of
the gateway. Bare Hono: no work at all. Medians of the rounds; CPU of the process that answers.

${speeds(loops)}

C / B at 1 in flight: ${round(c.p50 / b.p50)}. Redis commands sent for a job: C ${commands.sent.C} (${commands.names.C}), gateway ${commands.sent.gateway} (${commands.names.gateway});
with those inside scripts ${commands.all.C} and ${commands.all.gateway}. Where the gateway's time goes at 1 in flight, by its own \`server-timing\`: ${Object.entries(
    stages?.stages ?? {},
  )
    .map(([name, ms]) => `${name} ${round(ms)} ms`)
    .join(', ')}.

## Open loop at 30 % of C's capacity

Latency from the moment a request was due.

${speeds(openLoop)}

## A worker that takes 0 to 100 ms

What is added to the worker's own time, 8 in flight; by C, which is no slower than the machine, too.

${speeds(delays)}

## Streams

From a worker's XADD to the reader. Floor: event and XRANGE, no gateway. A client that leaves stops the engine of its
job after ${round(streams.leaving.p50)} ms (p50) and ${round(streams.leaving.p95)} ms (p95).

${table(
  ['', 'streams', 'deltas a second', 'p50 ms', 'p99', 'lost', 'out of order', 'CPU % of a core'],
  streams.delays.map((one) => [
    one.name,
    String(one.streams),
    round(one.perSecond),
    round(one.p50),
    round(one.p99),
    String(one.lost),
    String(one.disordered),
    one.cpuPercent ? round(one.cpuPercent) : '',
  ]),
)}

## Many at once

${held.count} pending requests: ${round(held.bytesPerRequest / 1024)} KB each; a new one takes ${round(held.p50Among)} ms among them and ${round(held.p50Idle)} ms on an
idle gateway; when all results arrive at once, all are answered in ${round(held.answeredInMs)} ms (${held.right} right; of the new ones ${held.wrong} wrong).

${table(
  ['idle gateways with 200 subscriptions each', 'SETs a second, own keys', 'foreign keys'],
  Object.entries(replicas).map(([count, { own, foreign }]) => [count, round(own), round(foreign)]),
)}

${NOTES}`
}

function speeds(all: readonly Speed[]): string {
  const rows = all.map((one) => [
    one.name,
    one.concurrency === 0 ? 'open' : String(one.concurrency),
    round(one.p50),
    round(one.p95),
    round(one.p99),
    round(one.perSecond),
    one.spread.map(round).join(' to '),
    round(one.cpuUs),
    String(one.wrong),
  ])
  const head = ['', 'in flight', 'p50 ms', 'p95', 'p99', 'a second', 'spread', 'CPU µs', 'wrong']
  return table(head, rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Three digits that mean something. */
function round(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

import { PEER_NAMES } from './peers.ts'
import { ratioOf, rowOf, wrongOf } from './rounds.ts'
import { median, pairedRatio } from './stats.ts'
import type { DelayRow } from './delays.ts'
import type { Held } from './held.ts'
import type { Idle } from './idle.ts'
import type { CommandsByContender } from './redis-commands.ts'
import type { Replicas } from './replicas.ts'
import type { Field, Row } from './rounds.ts'
import type { Results } from './sections.ts'
import type { Quartiles } from './stats.ts'
import type { Streams } from './streams.ts'
import type { Peers, V1 } from './v1.ts'

/** One figure with its bound: at most, or at least. */
export interface Figure {
  readonly name: string
  readonly value: number
  /** Of the rounds, where the value is a median of paired ratios. */
  readonly quartiles?: Quartiles
  readonly bound: number
  readonly isAtLeast: boolean
  /** Why it was not measured. Its value is no number then. */
  readonly missing?: string
}

/** By how much a figure misses its bound, as a factor: 1 is met. What is no number has missed it. */
export function missOf({ value, bound, isAtLeast }: Figure): number {
  if (Number.isNaN(value)) return Number.POSITIVE_INFINITY
  if (bound === 0) return 1 + value
  return Math.max(1, isAtLeast ? bound / value : value / bound)
}

export const worst = (figures: readonly Figure[]): number => Math.max(1, ...figures.map(missOf))

type Value = number | Quartiles

function figure(name: string, value: Value, bound: number, isAtLeast: boolean): Figure {
  if (typeof value === 'number') return { name, value, bound, isAtLeast }
  return { name, value: value.median, quartiles: value, bound, isAtLeast }
}

const atMost = (bound: number, name: string, value: Value): Figure =>
  figure(name, value, bound, false)

const atLeast = (bound: number, name: string, value: Value): Figure =>
  figure(name, value, bound, true)

/** What is compared between the gateway and floor C. */
export const PAIR_FIELDS = [
  { field: 'p50', name: 'p50' },
  { field: 'p99', name: 'p99' },
  { field: 'perSecond', name: 'requests a second' },
  { field: 'processUs', name: 'CPU of the process' },
  { field: 'redisUs', name: 'CPU of Redis' },
  { field: 'brokerUs', name: 'CPU of the broker' },
] as const satisfies readonly { field: Field; name: string }[]

interface PairBound {
  readonly concurrency: number
  readonly field: Field
  readonly bound: number
  readonly isAtLeast?: true
}

/** Of the gateway by floor C. */
export const PAIR_BOUNDS: readonly PairBound[] = [
  { concurrency: 1, field: 'p50', bound: 1.1 },
  { concurrency: 64, field: 'perSecond', bound: 0.9, isAtLeast: true },
  { concurrency: 64, field: 'processUs', bound: 1.25 },
  { concurrency: 64, field: 'redisUs', bound: 1.3 },
]

/** All figures of the sections that were measured. */
export function figuresOf(results: Results): Figure[] {
  const { pairs, jobs, held, replicas, commands, v1, streams, idle } = results
  return [
    ...(pairs ? ofPairs(pairs) : []),
    ...(jobs ? ofJobs(jobs) : []),
    ...(results['open-loop'] ? ofOpenLoop(results['open-loop']) : []),
    ...(results['slow-worker'] ? ofSlowWorker(results['slow-worker']) : []),
    ...(commands ? [ofCommands(commands)] : []),
    ...(results.context ? ofContext(results.context) : []),
    ...(v1 ? ofV1(v1) : []),
    ...(streams ? ofStreams(streams) : []),
    ...(held ? ofHeld(held) : []),
    ...(replicas ? ofReplicas(replicas) : []),
    ...(idle ? ofIdle(idle) : []),
  ]
}

function ofPairs(rows: readonly Row[]): Figure[] {
  const figures = PAIR_BOUNDS.flatMap(({ concurrency, field, bound, isAtLeast = false }) => {
    const ratio = ratioOf(rowOf(rows, 'gateway', concurrency), rowOf(rows, 'C', concurrency), field)
    const name = PAIR_FIELDS.find((one) => one.field === field)?.name ?? field
    // A server that is no process of ours shows no CPU.
    return ratio ? [figure(`${name} / C, ${concurrency} in flight`, ratio, bound, isAtLeast)] : []
  })
  return [...figures, atMost(0, 'wrong answers, gateway and C', wrongOf(rows))]
}

function ofJobs(rows: readonly Row[]): Figure[] {
  const ratio = ratioOf(rowOf(rows, 'POST /jobs', 1), rowOf(rows, 'C', 1), 'p50') as Quartiles
  return [atMost(0.95, 'p50 / C, POST /jobs with Prefer: wait, 1 in flight', ratio)]
}

function ofOpenLoop(rows: readonly Row[]): Figure[] {
  const ratio = ratioOf(rowOf(rows, 'gateway', 0), rowOf(rows, 'C', 0), 'p99') as Quartiles
  return [atMost(1.3, 'p99 / C, open loop at 30 % of capacity', ratio)]
}

function ofSlowWorker(rows: readonly Row[]): Figure[] {
  const by = (name: 'poll 10 ms' | 'poll 100 ms'): Quartiles =>
    ratioOf(rowOf(rows, 'gateway', 8), rowOf(rows, name, 8), 'p50') as Quartiles
  return [
    atMost(1 / 30, 'added latency / polling every 100 ms', by('poll 100 ms')),
    atMost(1 / 4, 'added latency / polling every 10 ms', by('poll 10 ms')),
  ]
}

const ofCommands = ({ c, gateway }: CommandsByContender): Figure =>
  atMost(1, 'Redis commands sent for a job / C', gateway.sent / c.sent)

function ofContext(rows: readonly Row[]): Figure[] {
  const [gateway, predecessor] = [rowOf(rows, 'gateway', 64), rowOf(rows, 'predecessor', 64)]
  const ratio = ratioOf(gateway, predecessor, 'perSecond') as Quartiles
  return [atLeast(20, 'requests a second / the predecessor’s scheme, 64 in flight', ratio)]
}

function ofV1({ plain, streams, peers }: V1): Figure[] {
  const by = (concurrency: number, field: Field): Quartiles => {
    const [chat, c] = [rowOf(plain, '/v1 chat', concurrency), rowOf(plain, 'C', concurrency)]
    return ratioOf(chat, c, field) as Quartiles
  }
  const rows = [...plain, ...(peers?.rows ?? [])]
  return [
    atMost(1.2, 'p50 / C, /v1/chat/completions, 1 in flight', by(1, 'p50')),
    atLeast(0.8, 'requests a second / C, /v1/chat/completions, 64 in flight', by(64, 'perSecond')),
    ...(streams ? ofChatStreams(streams[1]) : []),
    ...(peers ? ofPeers(peers) : []),
    atMost(0, 'wrong answers, /v1/chat/completions and its peers', wrongOf(rows)),
  ]
}

function ofChatStreams({ streams, rounds }: DelayRow): Figure[] {
  const name = `${streams} streams of 40 chunks a second, /v1/chat/completions`
  return [
    atMost(120, `p99 of a chunk in ms, ${name}`, median(rounds.map(({ p99 }) => p99))),
    atMost(0, `chunks lost or out of order, ${name}`, lostIn(rounds)),
  ]
}

/** The gateway's answers pass the queue. Its peers have none. */
function ofPeers({ rows, missing }: Peers): Figure[] {
  return PEER_NAMES.flatMap((peer) => {
    const why = missing[peer]
    const by = (concurrency: number, field: Field): Value => {
      if (why !== undefined) return Number.NaN
      const ours = rowOf(rows, '/v1 chat', concurrency)
      return ratioOf(ours, rowOf(rows, peer, concurrency), field) as Quartiles
    }
    const name = `${peer}, /v1/chat/completions`
    return [
      atMost(0.6, `p50 / ${name}, 1 in flight`, by(1, 'p50')),
      atLeast(4, `requests a second / ${name}, 64 in flight`, by(64, 'perSecond')),
    ].map((made) => (why === undefined ? made : { ...made, missing: why }))
  })
}

function ofStreams({ one, many, leaving }: Streams): Figure[] {
  const [, gateway] = many
  const name = `${gateway.streams} streams of 40 deltas a second`
  return [
    atMost(2, 'p50 of a delta / its floor, 1 stream', ratioOfDelays(one, 'p50')),
    atMost(3, `p99 of a delta / its floor, ${name}`, ratioOfDelays(many, 'p99')),
    atMost(100, `p99 of a delta in ms, ${name}`, median(gateway.rounds.map(({ p99 }) => p99))),
    atMost(0, `deltas lost or out of order, ${name}`, lostIn(gateway.rounds)),
    atMost(100, 'ms from a client’s leaving to the engine’s stop, p95', leaving.p95),
  ]
}

const lostIn = (rounds: DelayRow['rounds']): number =>
  rounds.reduce((sum, { lost, disordered }) => sum + lost + disordered, 0)

function ratioOfDelays([floor, gateway]: readonly [DelayRow, DelayRow], field: 'p50' | 'p99') {
  const of = ({ rounds }: DelayRow): number[] => rounds.map((delay) => delay[field])
  return pairedRatio(of(gateway), of(floor))
}

function ofHeld({ count, bytesPerRequest, p50Among, p50Idle, right, wrong }: Held): Figure[] {
  return [
    atMost(24, `KB a pending request, its socket included, at ${count}`, bytesPerRequest / 1024),
    atMost(
      1.3,
      `p50 of a new request among ${count} pending / on an idle gateway`,
      p50Among / p50Idle,
    ),
    atMost(0, `wrong or no answers, ${count} pending`, count - right + wrong),
  ]
}

function ofReplicas(rows: readonly Replicas[]): Figure[] {
  const [few, most] = [rows[0], rows.at(-1)] as [Replicas, Replicas]
  const name = `${most.gateways} gateways / ${few.gateways}`
  return [
    atLeast(0.95, `SETs a second of own keys, ${name}`, most.own / few.own),
    atLeast(0.95, `SETs a second of foreign keys, ${name}`, most.foreign / few.foreign),
  ]
}

function ofIdle({ coldStartMs, rssMb }: Idle): Figure[] {
  return [
    atMost(400, 'ms from a cold start to listening', coldStartMs),
    atMost(90, 'MB of an idle gateway, 25 s after its start', rssMb),
  ]
}

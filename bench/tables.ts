import { round, table } from './markdown.ts'
import { medianOf, valuesOf, wrongOf } from './rounds.ts'
import { median } from './stats.ts'
import type { DelayRow } from './delays.ts'
import type { Row } from './rounds.ts'

/** Latency, rate and processor time of each row. */
export function speeds(rows: readonly Row[]): string {
  const head = ['', 'in flight', 'p50 ms', 'p95', 'p99', 'a second', 'least to most']
  const cpu = ['process µs', 'Redis µs', 'broker µs']
  const lines = rows.map((row) => {
    const rates = valuesOf(row, 'perSecond') ?? []
    return [
      row.name,
      row.concurrency === 0 ? 'open' : String(row.concurrency),
      ...(['p50', 'p95', 'p99', 'perSecond'] as const).map((field) => round(medianOf(row, field))),
      `${round(Math.min(...rates))} to ${round(Math.max(...rates))}`,
      ...(['processUs', 'redisUs', 'brokerUs'] as const).map((field) =>
        round(medianOf(row, field)),
      ),
      String(wrongOf([row])),
    ]
  })
  return table([...head, ...cpu, 'wrong'], lines)
}

/** How late deltas were, by row. */
export function delays(rows: readonly DelayRow[]): string {
  const head = ['', 'streams', 'deltas a second', 'p50 ms', 'p99', 'lost', 'out of order']
  const cpu = ['CPU %', 'Redis %', 'load %']
  return table([...head, ...cpu], rows.map(delayLine))
}

function delayLine({ name, streams, rounds }: DelayRow): string[] {
  const middle = (field: 'perSecond' | 'p50' | 'p99' | 'loadCpu'): string =>
    round(median(rounds.map((delay) => delay[field])))
  const sum = (field: 'lost' | 'disordered'): string =>
    String(rounds.reduce((total, delay) => total + delay[field], 0))
  const cpu = (field: 'serverCpu' | 'redisCpu'): string => {
    const values = rounds.map((delay) => delay[field])
    return values.every((value) => value !== undefined) ? round(median(values)) : '–'
  }
  return [
    name,
    String(streams),
    middle('perSecond'),
    middle('p50'),
    middle('p99'),
    sum('lost'),
    sum('disordered'),
    cpu('serverCpu'),
    cpu('redisCpu'),
    middle('loadCpu'),
  ]
}

import { PAIR_BOUNDS, PAIR_FIELDS } from './bounds.ts'
import { bound, range, ratio, round, table } from './markdown.ts'
import { medianOf, ratioOf, rowOf, wrongOf } from './rounds.ts'
import type { ContenderName } from './contenders.ts'
import type { Field, Row } from './rounds.ts'

const UNITS: Partial<Record<Field, string>> = {
  p50: 'p50, ms',
  p99: 'p99, ms',
  processUs: 'CPU of the process, µs',
  redisUs: 'CPU of Redis, µs',
  brokerUs: 'CPU of the broker, µs',
}

/** The gateway, and the build before it if there is one, by floor C; and the gateway by the build before it. */
export function pairsText(rows: readonly Row[]): string {
  const isCompared = rows.some(({ name }) => name === 'before')
  const names: ContenderName[] = ['C', 'gateway', ...(isCompared ? (['before'] as const) : [])]
  const ratios: (readonly [ContenderName, ContenderName])[] = [
    ['gateway', 'C'],
    ...(isCompared
      ? ([
          ['before', 'C'],
          ['gateway', 'before'],
        ] as const)
      : []),
  ]
  const head = [
    'in flight',
    '',
    ...names,
    ...ratios.flatMap(([name, base]) => [`${name} / ${base}`, 'quartiles']),
    'bound',
  ]
  const lines = [1, 64].flatMap((concurrency) =>
    PAIR_FIELDS.map(({ field, name }) => [
      String(concurrency),
      UNITS[field] ?? name,
      ...names.map((one) => round(medianOf(rowOf(rows, one, concurrency), field))),
      ...ratios.flatMap(([one, base]) =>
        ratioCells(rowOf(rows, one, concurrency), rowOf(rows, base, concurrency), field),
      ),
      boundOf(concurrency, field),
    ]),
  )
  return `${table(head, lines)}\n\nWrong answers: ${wrongOf(rows)}.`
}

function ratioCells(row: Row, base: Row, field: Field): [string, string] {
  const quartiles = ratioOf(row, base, field)
  return quartiles ? [ratio(quartiles.median), range(quartiles)] : ['–', '–']
}

/** Of the gateway by C. */
function boundOf(concurrency: number, field: Field): string {
  const found = PAIR_BOUNDS.find((one) => one.concurrency === concurrency && one.field === field)
  return found ? bound(found.bound, found.isAtLeast ?? false) : ''
}

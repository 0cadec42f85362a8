import { cpus, totalmem } from 'node:os'
import { missOf } from './bounds.ts'
import { bound, range, ratio, round, table } from './markdown.ts'
import { NOTES } from './notes.ts'
import { pairsText } from './pairs-text.ts'
import { medianOf, ratioOf, rowOf } from './rounds.ts'
import { detailsOf } from './sections-text.ts'
import { median } from './stats.ts'
import type { Figure } from './bounds.ts'
import type { Field } from './rounds.ts'
import type { Results } from './sections.ts'

export interface Run {
  readonly pairRounds: number
  readonly rounds: number
  readonly roundMs: number
  /** Of the machine's processor time, by programs outside the run. */
  readonly othersShare: number
}

/** BENCH.md: what the figures mean, the table of bounds, then the details. */
export function report(results: Results, figures: readonly Figure[], run: Run): string {
  return `${[
    '# Benchmark',
    ...meaningOf(results),
    boundsTable(figures),
    methodOf(run),
    ...detailsOf(results),
    NOTES,
  ].join('\n\n')}\n`
}

/** A run of some sections. The table of the pairs shows their bounds itself. */
export function shortReport(results: Results, figures: readonly Figure[], run: Run): string {
  const { pairs, ...others } = results
  const isPairsAlone = Object.keys(others).length === 0
  const rounds = isPairsAlone
    ? `${run.pairRounds} rounds`
    : `${run.pairRounds} rounds for ratios to floor C, ${run.rounds} elsewhere`
  const method = `Medians; ${rounds}, of ${run.roundMs / 1000} s each. A ratio is taken within each round.
${othersOf(run)}`
  return `${[
    method,
    ...(pairs ? [pairsText(pairs)] : []),
    ...detailsOf(others),
    ...(isPairsAlone ? [] : [boundsTable(figures)]),
  ].join('\n\n')}\n`
}

function boundsTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, value, quartiles, isAtLeast, missing } = figure
    if (missing !== undefined) {
      return [name, '–', '', bound(figure.bound, isAtLeast), `not measured: ${firstLine(missing)}`]
    }
    const miss = missOf(figure)
    const verdict = miss === 1 ? 'met' : `missed by ${Math.round((miss - 1) * 100)} %`
    const shown = quartiles ? [ratio(value), range(quartiles)] : [round(value), '']
    return [name, ...shown, bound(figure.bound, isAtLeast), verdict]
  })
  return table(['figure', 'is', 'quartiles', 'bound', ''], rows)
}

/** Of what an installer said; a row of a table has one line. */
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''

const othersOf = ({ othersShare }: Run): string =>
  `Other programs used ${round(othersShare * 100)} % of the machine's processor time meanwhile.`

function methodOf(run: Run): string {
  const { pairRounds, rounds, roundMs } = run
  const [cpu] = cpus()
  const machine = `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
  return `## How it was measured

\`npm run bench\` on ${machine}. Rounds of ${roundMs / 1000} s: ${pairRounds} where the gateway has a
bound against floor C, ${rounds} elsewhere. Each round has all contenders one after another, in an order that is turned and
reversed from round to round. A ratio is taken within each round; quoted are the median and the quartiles of these
ratios, because the speed of a shared machine changes between rounds. A bound is met when the median meets it in two
runs. The gateway is the built one with all features on and its log at info. Gateway, worker, client, RabbitMQ and Redis
are processes of their own on the same cores, so only ratios within one run mean anything. ${othersOf(run)}

CPU is the processor time that a process used in a round, divided by the right answers: of the process that answers, of
Redis, and of the broker with its helpers.

\`npm run bench -- --only pairs\` measures the gateway against floor C alone, and with \`--against DIRECTORY\` the build of
another checkout beside it in the same rounds.`
}

/** One paragraph for a user; only a full run has all it says. */
function meaningOf(results: Results): string[] {
  const { pairs, context, streams, held, idle } = results
  const slow = results['slow-worker']
  if (!pairs || !context || !streams || !held || !idle || !slow) return []
  const by = (concurrency: number, field: Field): string =>
    round(
      ratioOf(rowOf(pairs, 'gateway', concurrency), rowOf(pairs, 'C', concurrency), field)?.median,
    )
  const perSecond = round(medianOf(rowOf(pairs, 'gateway', 64), 'perSecond'))
  const [poll, gateway] = [rowOf(slow, 'poll 100 ms', 8), rowOf(slow, 'gateway', 8)]
  const [, many] = streams.many
  const delay = round(median(many.rounds.map(({ p99 }) => p99)))
  return [
    `One gateway process answers ${perSecond} requests a second here, with client, worker, RabbitMQ and Redis on the same ${cpus().length}
cores. What the gateway costs is quoted as a ratio to floor C, the least program that does the same steps. One request at a time
takes ${by(1, 'p50')} times as long as with C. At 64 in flight the gateway answers ${by(64, 'perSecond')} times as many requests a second as C,
and a request takes ${by(64, 'processUs')} times the CPU of the process, ${by(64, 'redisUs')} times that of Redis and ${by(64, 'brokerUs')} times that of the broker. A
program that polls Redis every 100 ms adds ${round(ratioOf(poll, gateway, 'p50')?.median)} times as much to the worker's time as the gateway does. A pending
request takes ${round(held.bytesPerRequest / 1024)} KB. Of ${many.streams} streams, 99 of 100 deltas reach their readers within ${delay} ms.`,
  ]
}

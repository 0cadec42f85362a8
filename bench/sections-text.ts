import { range, ratio, round, table } from './markdown.ts'
import { pairsText } from './pairs-text.ts'
import { ratioOf, rowOf } from './rounds.ts'
import { median } from './stats.ts'
import { delays, speeds } from './tables.ts'
import { ofV1 } from './v1-text.ts'
import type { Held } from './held.ts'
import type { CommandsByContender } from './redis-commands.ts'
import type { Replicas } from './replicas.ts'
import type { Row } from './rounds.ts'
import type { Results } from './sections.ts'
import type { Streams } from './streams.ts'

/** The details of each section that was measured. */
export function detailsOf(results: Results): string[] {
  const { pairs, jobs, commands, context, v1, streams, held, replicas } = results
  const openLoop = results['open-loop']
  const slowWorker = results['slow-worker']
  return [
    ...(pairs ? [ofPairs(pairs)] : []),
    ...(jobs ? [ofJobs(jobs)] : []),
    ...(openLoop ? [ofOpenLoop(openLoop)] : []),
    ...(slowWorker ? [ofSlowWorker(slowWorker)] : []),
    ...(commands ? [ofCommands(commands)] : []),
    ...(context ? [ofContext(context)] : []),
    ...(v1 ? [ofV1(v1)] : []),
    ...(streams ? [ofStreams(streams)] : []),
    ...(held ? [ofHeld(held)] : []),
    ...(replicas ? [ofReplicas(replicas)] : []),
  ]
}

function ofPairs(rows: readonly Row[]): string {
  const gateway = rowOf(rows, 'gateway', 1)
  return `## Gateway and floor C

Floor C is the least program that does the steps of the contract: bare \`node:http\`; SUBSCRIBE to the result, SET NX GET
of a claim and GET of the result together; a persistent, mandatory publish; the event; GETEX; UNSUBSCRIBE. It has no
framework, validation, limits, log or metrics. Both have the same worker, and their messages say the same.

${pairsText(rows)}

Where the gateway's time goes at 1 in flight, by its own \`server-timing\`: ${stagesOf(gateway)}.`
}

function stagesOf({ samples }: Row): string {
  const names = Object.keys(samples[0]?.stages ?? {})
  return names
    .map((name) => `${name} ${round(median(samples.map(({ stages }) => stages[name] ?? 0)))} ms`)
    .join(', ')
}

function ofJobs(rows: readonly Row[]): string {
  return `## POST /jobs with Prefer: wait

${speeds(rows)}`
}

function ofOpenLoop(rows: readonly Row[]): string {
  return `## Open loop at 30 % of C's capacity

Requests come at fixed moments, and each counts from the moment it was due.

${speeds(rows)}`
}

function ofSlowWorker(rows: readonly Row[]): string {
  return `## A worker that takes 0 to 100 ms

The milliseconds are what is added to the worker's own time.

${speeds(rows)}`
}

function ofCommands({ c, gateway }: CommandsByContender): string {
  return `## Redis commands of a job

C sends ${c.sent} (${c.names}). The gateway sends ${gateway.sent} (${gateway.names}), and ${gateway.all} are executed with those
inside scripts. The worker's SET is not counted.`
}

function ofContext(rows: readonly Row[]): string {
  return `## Other ways

A is publish, worker, SET, event and GET in a loop without HTTP, with one subscription to all keys and no claim. B is the
steps of the contract in a loop without HTTP, with its claim in a script. C with scripts is bare \`node:http\` in front of
B. Bare Hono does no work. Direct reply-to keeps no result. The predecessor opens a connection to the broker for each
request, as protollm_api 1.0 does.

${speeds(rows)}${costOfHttp(rows)}`
}

/** A smoke run does not measure B. */
function costOfHttp(rows: readonly Row[]): string {
  if (!rows.some(({ name }) => name === 'B')) return ''
  const quartiles = ratioOf(rowOf(rows, 'C with scripts', 1), rowOf(rows, 'B', 1), 'p50')
  return quartiles
    ? `\n\np50 of C with scripts / B at 1 in flight: ${ratio(quartiles.median)} (${range(quartiles)}).`
    : ''
}

function ofStreams({ one, many, leaving }: Streams): string {
  return `## Streams

From a worker's XADD to the reader. CPU is in percent of a core; the load is the program that writes and the one that
reads, which share the cores with the rest. "Event and XRANGE" has no HTTP. "XREAD and bare HTTP" reads all streams by
one command and knows no job.

${delays([...one, ...many])}

A client that leaves stops the engine of its job after ${round(leaving.p50)} ms (p50) and ${round(leaving.p95)} ms (p95).`
}

function ofHeld(held: Held): string {
  return `## Many pending requests

Each of ${held.count} pending requests takes ${round(held.bytesPerRequest / 1024)} KB. A new one takes ${round(held.p50Among)} ms among them, and ${round(held.p50Idle)} ms on an idle
gateway (p50). When all results arrive at once, all are answered within ${round(held.answeredInMs)} ms: ${held.right} right, and of the new
ones ${held.wrong} wrong.`
}

function ofReplicas(rows: readonly Replicas[]): string {
  const head = ['idle gateways, 200 subscriptions each', 'SETs a second, own keys', 'foreign keys']
  const lines = rows.map(({ gateways, own, foreign }) => [
    String(gateways),
    round(own),
    round(foreign),
  ])
  return `## Many gateways

${table(head, lines)}`
}

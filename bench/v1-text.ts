import { range, ratio, table } from './markdown.ts'
import { PEER_NAMES } from './peers.ts'
import { ratioOf, rowOf } from './rounds.ts'
import { delays, speeds } from './tables.ts'
import type { Row } from './rounds.ts'
import type { Peers, V1 } from './v1.ts'

/** The part of the report about chat completions. */
export function ofV1({ plain, streams, peers }: V1): string {
  return [
    `## /v1/chat/completions

The client asks for chat completions, and the job goes to the same worker as C's. A request has the fields \`model\` and
\`messages\`, and the answer is built of the worker's text.

${speeds(plain)}

${ratios(plain)}`,
    ...(streams
      ? [
          `Streams, from a worker's XADD to the reader. The gateway makes one chunk of each delta.

${delays(streams)}`,
        ]
      : []),
    ...(peers ? [ofPeers(peers)] : []),
  ].join('\n\n')
}

function ofPeers({ rows, missing }: Peers): string {
  const absent = PEER_NAMES.flatMap((name) =>
    missing[name] === undefined ? [] : [`${name} was not measured. It ${missing[name]}`],
  )
  return [
    `Beside gateways that others have made. They have no queue: LiteLLM's proxy (2 processes) and Portkey's gateway stand
in front of a server that answers at once, while the gateway's answers pass RabbitMQ, a worker and Redis. Redis and the
broker do nothing for the peers. The processor time of a peer includes its own processes, not that of the server.

${speeds(rows)}`,
    ...(PEER_NAMES.some((name) => missing[name] === undefined) ? [ratios(rows)] : []),
    ...absent,
  ].join('\n\n')
}

/** The gateway by the others, which were measured in the same rounds. */
function ratios(rows: readonly Row[]): string {
  const lines = rows
    .filter(({ name }) => name !== '/v1 chat')
    .map((other) => {
      const ours = rowOf(rows, '/v1 chat', other.concurrency)
      const cells = (['p50', 'perSecond', 'processUs', 'redisUs'] as const).flatMap((field) => {
        const quartiles = ratioOf(ours, other, field)
        return quartiles ? [ratio(quartiles.median), range(quartiles)] : ['–', '–']
      })
      return [`/ ${other.name}`, String(other.concurrency), ...cells]
    })
  const names = ['p50', 'a second', 'process CPU', 'Redis CPU']
  const head = names.flatMap((name) => [name, 'quartiles'])
  return `Ratios, /v1 chat by the others:

${table(['', 'in flight', ...head], lines)}`
}

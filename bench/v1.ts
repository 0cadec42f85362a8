import { delaysInRounds, keyOf } from './delays.ts'
import { PEER_NAMES, PeerMissing } from './peers.ts'
import { inRounds } from './rounds.ts'
import { besideFloor, manyStreams } from './streams.ts'
import type { Contender } from './contenders.ts'
import type { DelayRow, Way } from './delays.ts'
import type { PeerName } from './peers.ts'
import type { Row } from './rounds.ts'
import type { Stage } from './stage.ts'

/** Chat completions of the gateway. A smoke run compares them with floor C alone. */
export interface V1 {
  readonly plain: readonly Row[]
  readonly streams?: readonly [floor: DelayRow, gateway: DelayRow]
  readonly peers?: Peers
}

export interface Peers {
  readonly rows: readonly Row[]
  /** Why each of these was not measured. */
  readonly missing: Readonly<Partial<Record<PeerName, string>>>
}

export async function measureV1(stage: Stage): Promise<V1> {
  const plain = await besideC(stage)
  if (stage.isSmoke) return { plain }
  const streams = await besideFloor(stage, (load, floor) =>
    delaysInRounds(stage, load, manyStreams(stage), [floor, wayOfChat(stage)] as const),
  )
  return { plain, streams, peers: await besidePeers(stage) }
}

async function besideC(stage: Stage): Promise<Row[]> {
  const { contenders, isCompared, pairRounds, roundMs: ms } = stage
  const others = isCompared ? (['/v1 before'] as const) : []
  const all = await contenders.get('C', '/v1 chat', ...others)
  const heats = [1, 64].map((concurrency) => all.map((one) => [one, { concurrency, ms }] as const))
  const rows = await inRounds(stage, '/v1 and floor C', pairRounds, heats)
  await contenders.end(...others)
  return rows
}

const wayOfChat = ({ gateway: { pid, url } }: Stage): Way => ({
  name: '/v1 chat',
  pid,
  open: async (reader, count) => {
    const ids = await reader.ask<string[]>({ kind: 'chat', url, count })
    return ids.map(keyOf)
  },
})

async function besidePeers(stage: Stage): Promise<Peers> {
  const { contenders, rounds, roundMs } = stage
  const missing: Partial<Record<PeerName, string>> = {}
  const there: Contender[] = await contenders.get('/v1 chat')
  for (const name of PEER_NAMES) {
    stage.say(`${name}: starting`)
    try {
      there.push(...(await contenders.get(name)))
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error
      missing[name] = error.message
    }
  }
  const heatOf = (concurrency: number, ms: number) =>
    there.map((one) => [one, { concurrency, ms }] as const)
  // At 64 in flight, a peer may take most of a second for each answer.
  const heats = [heatOf(1, roundMs), heatOf(64, 2 * roundMs)]
  const rows = await inRounds(stage, '/v1 and its peers', rounds, heats)
  await contenders.end(...PEER_NAMES.filter((name) => missing[name] === undefined))
  return { rows, missing }
}

import { inRounds, medianOf, rowOf } from './rounds.ts'
import type { Row } from './rounds.ts'
import type { Stage } from './stage.ts'

/** The gateway beside floor C, and beside the build before it where there is one. */
export async function measurePairs(stage: Stage): Promise<Row[]> {
  const { contenders, isCompared, pairRounds, roundMs: ms } = stage
  const names = ['C', 'gateway', ...(isCompared ? (['before'] as const) : [])] as const
  const all = await contenders.get(...names)
  const heats = [1, 64].map((concurrency) => all.map((one) => [one, { concurrency, ms }] as const))
  return inRounds(stage, 'gateway and floor C', pairRounds, heats)
}

/** With an id made by the gateway: no claim has to be acknowledged before the publish. */
export async function measureJobs(stage: Stage): Promise<Row[]> {
  const { contenders, pairRounds, roundMs: ms } = stage
  const all = await contenders.get('C', 'POST /jobs')
  const heat = all.map((one) => [one, { concurrency: 1, ms }] as const)
  return inRounds(stage, 'POST /jobs and floor C', pairRounds, [heat])
}

/** Requests at fixed moments, at 30 % of what C answers at 64 in flight. */
export async function measureOpenLoop(stage: Stage): Promise<Row[]> {
  const { contenders, pairRounds, roundMs } = stage
  const [c, gateway] = await contenders.get('C', 'gateway')
  if (c === undefined || gateway === undefined) throw new Error('a contender is missing')
  const full = { concurrency: 64, ms: roundMs }
  const capacity = await inRounds(stage, 'capacity of floor C', 1, [[[c, full]]])
  const perSecond = medianOf(rowOf(capacity, 'C', 64), 'perSecond') as number
  const load = { concurrency: 0, ms: roundMs * 2, ratePerS: perSecond * 0.3 }
  const heat = [c, gateway].map((one) => [one, load] as const)
  return inRounds(stage, 'open loop', pairRounds, [heat])
}

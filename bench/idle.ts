import { setTimeout as pause } from 'node:timers/promises'
import { startGateway } from './processes.ts'
import { rssBytes } from './processor-time.ts'
import { median } from './stats.ts'
import type { Stage } from './stage.ts'

export interface Idle {
  /** From the start of the process until it listens. */
  readonly coldStartMs: number
  readonly rssMb: number
}

/** By then Node has given back what its start took. */
const SETTLED_MS = 25_000

/** Gateways that have just been started and have nothing to do. */
export async function measureIdle({ env, rounds, isSmoke, say, here }: Stage): Promise<Idle> {
  say('cold start and idle')
  const starts: number[] = []
  const gateways = []
  for (let round = 0; round < rounds * 2; round += 1) {
    const gateway = await startGateway(env, here)
    starts.push(gateway.startedInMs)
    gateways.push(gateway)
    // The last one is still busy with its own start for a while.
    await pause(1_000)
  }
  if (!isSmoke) await pause(SETTLED_MS)
  const sizes = gateways.map(({ pid }) => rssBytes(pid) / 2 ** 20)
  await Promise.all(gateways.map((gateway) => gateway.end()))
  return { coldStartMs: median(starts), rssMb: median(sizes) }
}

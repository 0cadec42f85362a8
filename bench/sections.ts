import { measureContext, measureSlowWorker } from './context.ts'
import { measureHeld } from './held.ts'
import { measureIdle } from './idle.ts'
import { measureJobs, measureOpenLoop, measurePairs } from './pairs.ts'
import { measureCommands } from './redis-commands.ts'
import { measureReplicas } from './replicas.ts'
import { measureStreams } from './streams.ts'
import { measureV1 } from './v1.ts'
import type { Stage } from './stage.ts'

/** What the bench measures, in this order: what is held to 10 % comes first, while little else has run. */
const SECTIONS = {
  pairs: measurePairs,
  jobs: measureJobs,
  'open-loop': measureOpenLoop,
  'slow-worker': measureSlowWorker,
  commands: measureCommands,
  context: measureContext,
  v1: measureV1,
  streams: measureStreams,
  held: measureHeld,
  replicas: measureReplicas,
  idle: measureIdle,
} satisfies Record<string, (stage: Stage) => Promise<unknown>>

export type SectionName = keyof typeof SECTIONS

export const SECTION_NAMES = Object.keys(SECTIONS) as SectionName[]

/** What each section has measured; those that a run leaves out are missing. */
export type Results = {
  readonly [Name in SectionName]?: Awaited<ReturnType<(typeof SECTIONS)[Name]>>
}

export async function measureSections(
  stage: Stage,
  names: readonly SectionName[],
): Promise<Results> {
  const results: [SectionName, unknown][] = []
  for (const name of names) results.push([name, await SECTIONS[name](stage)])
  return Object.fromEntries(results) as Results
}

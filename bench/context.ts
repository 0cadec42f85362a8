import { inRounds } from './rounds.ts'
import type { Heat, Row } from './rounds.ts'
import type { Stage } from './stage.ts'

/**
 * Less than floor C, more than it, and other ways, to say where the time goes.
 * A smoke run takes the one that has a bound.
 */
export async function measureContext(stage: Stage): Promise<Row[]> {
  const { contenders, rounds, roundMs: ms, isSmoke } = stage
  const [gateway, predecessor] = await contenders.get('gateway', 'predecessor')
  if (gateway === undefined || predecessor === undefined) throw new Error('a contender is missing')
  const others = isSmoke ? ([] as const) : (['A', 'B', 'C with scripts', 'bare Hono'] as const)
  const floors = await contenders.get(...others)
  const replies = isSmoke ? [] : await contenders.get('direct reply-to')
  const heats: Heat[] = [
    [...floors, ...replies, gateway, predecessor].map((one) => [one, { concurrency: 64, ms }]),
    floors.map((one) => [one, { concurrency: 1, ms }]),
    (isSmoke ? [] : [16, 256, 1_024]).map((concurrency) => [gateway, { concurrency, ms }]),
  ]
  const rows = await inRounds(stage, 'other ways', rounds, heats)
  await contenders.end('predecessor', ...others, ...replies.map(({ name }) => name))
  return rows
}

/** A worker that takes 0 to 100 ms: what is added to that, beside programs that look for the result every so often. */
export async function measureSlowWorker(stage: Stage): Promise<Row[]> {
  const { contenders, rounds, roundMs: ms } = stage
  const polls = ['poll 10 ms', 'poll 100 ms'] as const
  const all = await contenders.get('C', 'gateway', ...polls)
  const heat = all.map((one) => [one, { concurrency: 8, ms, prompt: 'delay' }] as const)
  const rows = await inRounds(stage, 'slow worker', rounds, [heat])
  await contenders.end(...polls)
  return rows
}

import { expect, test } from 'vitest'
import { answerOf, appWith, v1 } from '../../../../support/app.ts'
import { MODELS } from '../../../../support/openai.ts'
import { readResponse } from '../../../../support/responses.ts'
import type { JobView } from '../../../../../src/job.ts'

const MAX_HELD = 10_000

/** Asks to continue a response with so many characters of input, twice: the second request comes while the first one waits. */
async function continuing(characters: number): Promise<number[]> {
  const { echo, input } = readResponse({ input: 'x'.repeat(characters) })
  const outcome = { kind: 'succeeded', content: 'Hi' } as const
  const view: JobView = { ...answerOf(outcome).view, id: 'resp_1' }
  let letGo = (): void => {}
  const isLetGo = new Promise<void>((resolve) => (letGo = resolve))
  let waits = (): void => {}
  const firstWaits = new Promise<void>((resolve) => (waits = resolve))
  let runs = 0
  const run = async () => {
    runs += 1
    waits()
    if (runs === 1) await isLetGo
    return answerOf(outcome)
  }
  const stored = {
    kept: async () => JSON.stringify({ v: 1, echo, input }),
    view: async () => view,
    lacksDeltas: async () => true,
  }
  const more = { models: MODELS, v1: { ...v1, maxHeldBytes: MAX_HELD } }
  const { post } = appWith(run, 1_000, stored, more)
  const body = { model: 'whole', input: 'and?', previous_response_id: 'resp_1' }
  const first = post('/v1/responses', body)
  await firstWaits
  const { status } = await post('/v1/responses', body)
  letGo()
  return [(await first).status, status]
}

test('what a request continues counts as its body: a second one beyond the budget is refused', async () => {
  expect(await continuing(2 * MAX_HELD)).toEqual([200, 503])
  expect(await continuing(100)).toEqual([200, 200])
})

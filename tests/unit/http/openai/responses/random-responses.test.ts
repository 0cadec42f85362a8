import { describe, expect, test } from 'vitest'
import { ResponseFold } from '../../../../../src/http/openai/responses/response-fold.ts'
import { randomOf } from '../../../../support/random.ts'
import { randomResponse } from '../../../../support/random-response.ts'
import { ResponseReader } from '../../../../support/response-reader.ts'
import { frameOf } from '../../../../support/response-stream.ts'
import { reader, replay } from '../../../../support/stream.ts'
import type { JobEvent, Outcome } from '../../../../../src/job.ts'
import type {
  Item,
  ResponseEvent,
  ResponseObject,
} from '../../../../../src/http/openai/responses/response-types.ts'

const SEEDS = Array.from({ length: 150 }, (_, index) => index + 1)
const status: JobEvent = { kind: 'status', status: 'running' }

function folded(events: readonly JobEvent[], frame: ReturnType<typeof frameOf>) {
  const fold = new ResponseFold(frame)
  const all = [...fold.begin(), ...events.flatMap((event) => fold.step(event))]
  expect(fold.last).toBe(all.length - 1)
  return { fold, all }
}

/** What the body says, as one text for each kind. */
function saidIn(body: string): unknown {
  const { choices } = JSON.parse(body) as { choices: [{ message: Record<string, unknown> }] }
  const { content, reasoning, refusal, tool_calls: calls } = choices[0].message
  const all = calls as { function: { arguments: string } }[]
  return [content, reasoning, refusal, all.map((call) => call.function.arguments)]
}

function saidBy(output: readonly Item[]): unknown[] {
  const parts = output.flatMap(({ content }) => (content ?? []) as Record<string, string>[])
  const all = (type: string, field: string): string =>
    parts.map((part) => (part.type === type ? part[field] : '')).join('')
  const calls = output.filter(({ type }) => type === 'function_call')
  return [
    all('output_text', 'text'),
    all('reasoning_text', 'text'),
    all('refusal', 'refusal'),
    calls.map((call) => call.arguments),
  ]
}

/** What was said, and what the outcome says of it. */
function asOutcome(outcome: Outcome | null, { output }: ResponseObject) {
  // Of a job without an answer, it is whatever was streamed.
  if (outcome?.kind !== 'succeeded') return { said: output, expected: output }
  const { body, content } = outcome
  const said = saidBy(output)
  return body === undefined
    ? { said: said[0], expected: content }
    : { said, expected: saidIn(body) }
}

describe('whatever a worker streams', () => {
  test('every replica gives the same events, which are sound, from any start', async () => {
    const types = new Set<string>()
    for (const seed of SEEDS) {
      const random = randomOf(seed)
      const frame = frameOf({ background: random() < 0.5 })
      const { stream, entries, view } = randomResponse(random)
      const live = reader(stream)
      const fold = new ResponseFold(frame)
      const told: ResponseEvent[] = fold.begin()
      const strict = new ResponseReader().read(told)
      const tell = (events: readonly JobEvent[]): void => {
        const news = [status, ...events].flatMap((event) => fold.step(event))
        strict.read(news)
        told.push(...news)
        expect(fold.last).toBe(told.length - 1)
        // A replica that begins here, where this one is in the middle.
        expect([seed, folded(live.events, frame).all]).toEqual([seed, told])
        expect(folded(live.events, frame).fold.response).toEqual(fold.response)
      }
      for (const entry of entries) {
        stream.append(entry)
        if (random() < 0.5) tell(await live.read())
      }
      tell(await live.read(view))
      expect(strict.hasEnded).toBe(true)
      expect(told.at(-1)?.response).toEqual(fold.response)
      expect([seed, folded(await replay(stream, view), frame).all]).toEqual([seed, told])
      for (const { type } of told) types.add(type)
      const { expected, said } = asOutcome(view.outcome, fold.response)
      expect([seed, said]).toEqual([seed, expected])
    }
    // Of each kind of event that the API has for such a job.
    expect(types.size).toBe(18)
  })
})

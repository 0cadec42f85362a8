import { expect, test } from 'vitest'
import { responseNow } from '../../../../../src/http/openai/responses/response-now.ts'
import { done, restartOfContent, rest } from '../../../../support/chunk-stream.ts'
import { bodyOf, endOf, eventsOf, frameOf } from '../../../../support/response-stream.ts'
import type { JobView, Outcome } from '../../../../../src/job.ts'

const frame = frameOf({ background: true })
const viewOf = (status: JobView['status'], outcome: Outcome | null): JobView => ({
  id: 'j',
  status,
  createdAt: 1,
  finishedAt: 12_345,
  outcome,
})

test('a response that has not ended is the one that its first events carry', () => {
  const [created] = eventsOf([done(null)], frame)
  expect(responseNow(frame, viewOf('queued', null))).toEqual(created?.response)
  const [inTheForeground] = eventsOf([done(null)])
  expect(responseNow(frameOf(), viewOf('running', null))).toEqual(inTheForeground?.response)
})

const tool = (name: string) => ({ type: 'function', function: { name, arguments: '{}' } })
test.each<[string, Outcome | null]>([
  ['a text', { kind: 'succeeded', content: 'AI', finishReason: 'length' }],
  [
    'a body',
    {
      kind: 'succeeded',
      content: 'AI',
      body: bodyOf({ reasoning: 'h', content: 'AI', tool_calls: [tool('f'), tool('g')] }),
    },
  ],
  ['no words', { kind: 'succeeded', content: '' }],
  ['a failure', { kind: 'failed', type: 'E', message: 'm' }],
  ['its cancelling', { kind: 'cancelled' }],
  ['its expiry', { kind: 'expired' }],
  ['no result', null],
])('a response whose job ended with %s is the one of its last event', (_, outcome) => {
  const view = viewOf(outcome?.kind ?? 'succeeded', outcome)
  const events = [restartOfContent, rest('AI'), { kind: 'done', id: 'done', view } as const]
  const { response } = endOf(events, frame)
  expect(responseNow(frame, view)).toEqual(response)
  expect(response.completed_at).toBe(response.status === 'completed' ? 12 : null)
})

test.each([
  ['cancelled', 'cancelled'],
  ['expired', 'failed'],
  ['failed', 'failed'],
] as const)('a %s job keeps its end when its result is gone', (status, expected) => {
  expect(responseNow(frame, viewOf(status, null)).status).toBe(expected)
})

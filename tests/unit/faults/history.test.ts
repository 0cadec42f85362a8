import { expect, test } from 'vitest'
import { History, answerTo } from '../../faults/support/history.ts'
import type { Attempt } from '../../faults/support/history.ts'

const attempt = (made: Partial<Attempt> & Pick<Attempt, 'answer'>): Attempt => ({
  startedAt: 0,
  ms: 1,
  code: made.answer,
  isLastAsk: false,
  ...made,
})

/** A history of one job, with these attempts, run so often. */
function countsOf(attempts: readonly Attempt[], runs = 1) {
  const history = new History()
  history.open('a', 'payload').attempts.push(...attempts)
  for (let run = 0; run < runs; run += 1) history.executions.push({ id: 'a', mark: String(run) })
  return history.counts(1_000)
}
const right = attempt({ answer: 'answered', content: answerTo('payload', 'm') })
const lastAsk = { isLastAsk: true }

test('a right answer is none of the harms', () => {
  expect(countsOf([right])).toEqual({
    sent: 1,
    accepted: 1,
    answered: 1,
    unknown: 0,
    refused: 0,
    lost: 0,
    crossed: 0,
    hung: 0,
    unexpected: 0,
    changed: 0,
    duplicated: 0,
    recovered: 0,
  })
})

test.each([
  ['an accepted job without an outcome is lost', 'lost', [attempt({ answer: 'accepted' })], 1],
  [
    'so is one whose last ask finds none',
    'lost',
    [attempt({ answer: 'accepted' }), attempt({ answer: 'accepted', ...lastAsk })],
    1,
  ],
  [
    'another job’s answer is crossed',
    'crossed',
    [attempt({ answer: 'answered', content: answerTo('other', 'm') })],
    1,
  ],
  ['an answer after the deadline is hung', 'hung', [{ ...right, ms: 2_001 }], 1],
  ['a refused job that ran is unexpected', 'unexpected', [attempt({ answer: 'refused' })], 1],
  [
    'two outcomes of one job are a change',
    'changed',
    [right, attempt({ answer: 'answered', content: answerTo('payload', 'n'), ...lastAsk })],
    1,
  ],
  ['a second execution is a duplicate', 'duplicated', [right], 2],
  ['a broken connection leaves it unknown', 'unknown', [attempt({ answer: 'broken' })], 0],
  [
    'an outcome found by the last ask is a recovery',
    'recovered',
    [attempt({ answer: 'unknown' }), { ...right, ...lastAsk }],
    1,
  ],
] as const)('%s', (_, harm, attempts, runs) => {
  expect(countsOf(attempts, runs)[harm]).toBe(1)
})

test('a job that was refused and never ran is none of the harms', () => {
  expect(countsOf([attempt({ answer: 'refused' })], 0)).toMatchObject({
    refused: 1,
    lost: 0,
    unexpected: 0,
  })
})

import { expect, test } from 'vitest'
import { BodyBudget } from '../../../src/http/body-budget.ts'

const overloaded = expect.objectContaining({ code: 'overloaded' })

test('bytes of all bodies count until they are released, once', () => {
  const budget = new BodyBudget(100)
  const first = budget.begin(60)
  // Nothing has arrived yet.
  const second = budget.begin(60)
  first.add(60)
  expect(() => second.add(41)).toThrow(overloaded)
  second.add(40)
  expect(budget.held).toBe(100)
  expect(() => budget.begin(1)).toThrow(overloaded)
  expect(() => first.add(1)).toThrow(overloaded)
  first.release()
  first.release()
  expect(budget.held).toBe(40)
  budget.begin(60).add(60)
  expect(budget.held).toBe(100)
})

test('a body whose stated length has no room is refused before it is read', () => {
  const budget = new BodyBudget(100)
  budget.begin(90).add(50)
  expect(() => budget.begin(51)).toThrow(overloaded)
  expect(budget.begin(50)).toBeDefined()
})

test('a body larger than the whole budget is read where it is alone', () => {
  const budget = new BodyBudget(100)
  const large = budget.begin(300)
  for (let piece = 0; piece < 3; piece += 1) large.add(100)
  expect(() => budget.begin(0).add(1)).toThrow(overloaded)
  large.release()
  expect(budget.held).toBe(0)
})

import { describe, expect, test } from 'vitest'
import { median, orderOf, pairedRatio, quantile, quartiles } from '../../../bench/stats.ts'

describe('quartiles', () => {
  test('lie between two values in proportion, in whatever order they come', () => {
    expect(quartiles([4, 1, 3, 2])).toEqual({ q1: 1.75, median: 2.5, q3: 3.25 })
    expect(quartiles([50, 10, 40, 20, 30])).toEqual({ q1: 20, median: 30, q3: 40 })
  })

  test('of one value are that value, and of none they are no number', () => {
    expect(quartiles([7])).toEqual({ q1: 7, median: 7, q3: 7 })
    expect(median([])).toBeNaN()
  })

  test('the ends of a quantile are the least and the greatest', () => {
    expect([0, 1].map((share) => quantile([1, 5, 9], share))).toEqual([1, 9])
  })
})

describe('pairedRatio', () => {
  test('is taken within each round, so that a slow round changes nothing', () => {
    expect(pairedRatio([2, 20, 2.2], [1, 10, 1.1]).median).toBeCloseTo(2)
    // The medians alone would give 5 / 4.
    expect(pairedRatio([1, 5, 30], [4, 1, 10])).toEqual({ q1: 1.625, median: 3, q3: 4 })
  })

  test('a round that lacks one of the pair is refused', () => {
    expect(() => pairedRatio([1, 2], [1])).toThrow('a round lacks one of its pair')
  })
})

describe('orderOf', () => {
  test('of two contenders each comes first as often as second', () => {
    const rounds = [0, 1, 2, 3].map((round) => orderOf(['C', 'gateway'], round)[0])
    expect(rounds).toEqual(['C', 'gateway', 'gateway', 'C'])
  })

  test('of three contenders each order comes once in six rounds', () => {
    const orders = [0, 1, 2, 3, 4, 5].map((round) => orderOf(['a', 'b', 'c'], round).join(''))
    expect(orders.toSorted()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])
  })
})

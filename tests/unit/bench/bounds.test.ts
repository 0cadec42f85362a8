import { describe, expect, test } from 'vitest'
import { figuresOf, missOf, worst } from '../../../bench/bounds.ts'
import type { Figure } from '../../../bench/bounds.ts'
import type { Row, Sample } from '../../../bench/rounds.ts'

const figure = (made: Partial<Figure>): Figure => ({
  name: 'x',
  value: 1,
  bound: 1,
  isAtLeast: false,
  ...made,
})

describe('missOf', () => {
  test('a figure within its bound is met, on either side', () => {
    expect(missOf(figure({ value: 0.9, bound: 1 }))).toBe(1)
    expect(missOf(figure({ value: 1.1, bound: 1, isAtLeast: true }))).toBe(1)
  })

  test('a figure misses its bound by a factor', () => {
    expect(missOf(figure({ value: 3, bound: 1.5 }))).toBe(2)
    expect(missOf(figure({ value: 0.3, bound: 0.9, isAtLeast: true }))).toBeCloseTo(3)
  })

  test('what may not happen is missed by how often it did', () => {
    expect(missOf(figure({ value: 0, bound: 0 }))).toBe(1)
    expect(missOf(figure({ value: 2, bound: 0 }))).toBe(3)
  })

  test('what is no number has missed its bound', () => {
    expect(worst([figure({}), figure({ value: Number.NaN })])).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('figuresOf', () => {
  const sample: Sample = {
    p50: 1,
    p95: 1,
    p99: 1,
    perSecond: 1,
    processUs: 1,
    redisUs: 1,
    brokerUs: 1,
    wrong: 0,
    stages: {},
  }
  const rowsOf = (gateway: Partial<Sample>): Row[] =>
    [1, 64].flatMap((concurrency) => [
      { name: 'C' as const, concurrency, samples: [sample, sample] },
      { name: 'gateway' as const, concurrency, samples: [sample, { ...sample, ...gateway }] },
    ])

  test('a run of the pairs has the figures of the pairs', () => {
    const figures = figuresOf({ pairs: rowsOf({ redisUs: 3, wrong: 1 }) })
    expect(figures.map(({ name, value }) => [name, value])).toEqual([
      ['p50 / C, 1 in flight', 1],
      ['requests a second / C, 64 in flight', 1],
      ['CPU of the process / C, 64 in flight', 1],
      ['CPU of Redis / C, 64 in flight', 2],
      ['wrong answers, gateway and C', 2],
    ])
  })

  test('a server whose process is not known has no figure', () => {
    const names = figuresOf({ pairs: rowsOf({ redisUs: undefined }) }).map(({ name }) => name)
    expect(names).not.toContain('CPU of Redis / C, 64 in flight')
  })
})

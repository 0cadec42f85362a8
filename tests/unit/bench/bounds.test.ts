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
  const v1Rows = (chat: Partial<Sample>, others: readonly Row['name'][]): Row[] =>
    [1, 64].flatMap((concurrency) => [
      { name: '/v1 chat' as const, concurrency, samples: [{ ...sample, ...chat }] },
      ...others.map((name) => ({ name, concurrency, samples: [sample] })),
    ])

  test('a short run of /v1 has the figures against C, and no more', () => {
    const plain = v1Rows({ p50: 1.5, perSecond: 0.5, wrong: 1 }, ['C'])
    expect(figuresOf({ v1: { plain } }).map(({ name, value }) => [name, value])).toEqual([
      ['p50 / C, /v1/chat/completions, 1 in flight', 1.5],
      ['requests a second / C, /v1/chat/completions, 64 in flight', 0.5],
      ['wrong answers, /v1/chat/completions and its peers', 2],
    ])
  })

  test('the streams of /v1 are held to a delay, and to every chunk', () => {
    const delay = { p50: 1, perSecond: 1, serverCpu: 1, redisCpu: 1, loadCpu: 1 }
    const rounds = [
      { ...delay, p99: 100, lost: 1, disordered: 0 },
      { ...delay, p99: 140, lost: 0, disordered: 2 },
    ]
    const row = { name: 'x', streams: 500, rounds }
    const streams = [row, row] as const
    const figures = figuresOf({ v1: { plain: v1Rows({}, ['C']), streams } })
    const values = Object.fromEntries(figures.map(({ name, value }) => [name, value]))
    expect(values).toMatchObject({
      'p99 of a chunk in ms, 500 streams of 40 chunks a second, /v1/chat/completions': 120,
      'chunks lost or out of order, 500 streams of 40 chunks a second, /v1/chat/completions': 3,
    })
  })

  test('a peer that is missing has its rows, and they are not met', () => {
    const rows = v1Rows({ p50: 0.5, perSecond: 5 }, ['Portkey'])
    const peers = { rows, missing: { LiteLLM: 'cannot be installed: no Python' } }
    const figures = figuresOf({ v1: { plain: v1Rows({}, ['C']), peers } })
    const ofPeer = (peer: string) => figures.filter(({ name }) => name.includes(peer))
    expect(ofPeer('Portkey').map((one) => [one.value, missOf(one)])).toEqual([
      [0.5, 1],
      [5, 1],
    ])
    expect(ofPeer('LiteLLM').map((one) => [one.missing, missOf(one)])).toEqual([
      ['cannot be installed: no Python', Number.POSITIVE_INFINITY],
      ['cannot be installed: no Python', Number.POSITIVE_INFINITY],
    ])
  })
})

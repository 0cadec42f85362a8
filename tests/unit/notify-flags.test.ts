import { describe, expect, test } from 'vitest'
import { isAnnounced, mergedFlags, missingFlags } from '../../src/redis/notify-flags.ts'

describe('notify-keyspace-events', () => {
  test.each([
    ['', 'K$gt'],
    ['K$gt', 'K$gt'],
    ['KEA', 'KEA'],
    ['AKE', 'AKE'],
    ['xE', 'xEK$gt'],
    ['Km', 'Km$gt'],
    ['Am', 'AmK'],
    ['g$lshztxeKE', 'g$lshztxeKE'],
  ])('%j becomes %j: what is missing is added, nothing is taken away', (before, after) => {
    expect(mergedFlags(before)).toBe(after)
    expect(missingFlags(after)).toEqual([])
  })

  test('names the classes that are off', () => {
    expect(missingFlags('Kx')).toEqual(['$', 'g', 't'])
    expect(missingFlags('A')).toEqual(['K'])
  })

  test.each([
    ['K$', true],
    ['KA', true],
    ['', false],
    ['K', false],
    ['$', false],
    ['E$', false],
    ['A', false],
  ])('whether a SET is announced on its key’s channel with %j: %s', (flags, announced) => {
    expect(isAnnounced(flags)).toBe(announced)
  })
})

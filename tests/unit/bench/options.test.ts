import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { readOptions } from '../../../bench/options.ts'

test('a run without options measures everything in 11 rounds and writes the report', () => {
  const options = readOptions([])
  expect(options).toMatchObject({ rounds: 11, isWhole: true, isFull: true, isSmoke: false })
  expect(options.sections).toContain('streams')
})

test('a run of some sections, a comparison and a smoke run do not write the report', () => {
  expect(readOptions(['--only', 'pairs'])).toMatchObject({ sections: ['pairs'], isFull: false })
  expect(readOptions(['--smoke'])).toMatchObject({ isWhole: true, isFull: false })
})

test.each([
  [['--only', 'pears'], '--only takes pairs, '],
  [['--rounds', '0'], '--rounds must be a whole number from 1'],
  [['--against', tmpdir()], 'run npm run build in '],
  [['--fast'], '--fast'],
])('%j is refused in words', (args, message) => {
  expect(() => readOptions(args)).toThrow(message)
})

import { expect, onTestFinished, test } from 'vitest'
import { Stalls } from '../../faults/support/stalls.ts'

test('the time for which a process stood still is counted, and no time in which it looked', () => {
  let now = 0
  const stalls = new Stalls(() => now)
  onTestFinished(() => stalls.stop())
  for (let look = 0; look < 50; look += 1) {
    now += 60
    expect(stalls.ms).toBe(0)
  }
  now += 320
  expect(stalls.ms).toBe(300)
  now += 20
  expect(stalls.ms).toBe(300)
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Lines } from '../../../dev/lines.ts'
import { GatewayError } from '../../../src/errors.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { RefusalLog } from '../../../src/telemetry/refusal-log.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

function scene() {
  const lines = new Lines()
  return { lines, refusals: new RefusalLog(createLog('info', lines)) }
}

const refusal = (reason: string): GatewayError => {
  const cause = new GatewayError('results_down', 'not claimed', { cause: new Error(reason) })
  return new GatewayError('results_down', 'cannot be received', { cause })
}

test('a cause is logged at once, and then every ten seconds with how many there were', () => {
  const { lines, refusals } = scene()
  for (let count = 0; count < 5; count += 1) refusals.tell(refusal('OOM'))
  vi.advanceTimersByTime(10_000)
  refusals.tell(refusal('OOM'))
  const line = { level: 'warn', msg: 'request.refused', code: 'results_down', error: 'OOM' }
  expect(lines.all).toMatchObject([line, { ...line, unlogged: 4 }])
})

test('another cause is logged beside it, and a refusal without one by its own words', () => {
  const { lines, refusals } = scene()
  refusals.tell(refusal('OOM'))
  refusals.tell(refusal('MISCONF'))
  refusals.tell(new GatewayError('overloaded', 'too many'))
  expect(lines.all.map(({ error }) => error)).toEqual(['OOM', 'MISCONF', 'too many'])
})

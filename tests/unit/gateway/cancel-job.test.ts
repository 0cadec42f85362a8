import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cancelJob } from '../../../src/gateway/job-view.ts'
import { CANCELLED, PUBLISHED, done, stored, viewScene } from '../../support/job-view.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

describe('a cancel', () => {
  const cancelledJob = stored('cancelled', CANCELLED)

  test('ends the run that it has seen, and gives the job as it is then', async () => {
    const { parts, records, name } = viewScene(stored(null, PUBLISHED), cancelledJob)
    expect(await cancelJob(parts, name)).toMatchObject({ status: 'cancelled', finishedAt: 7 })
    expect(records.end).toHaveBeenCalledOnce()
    // No asker is named: the job ends although requests wait for it.
    expect(records.end.mock.calls[0]?.slice(1)).toEqual([
      'r1',
      [JSON.stringify({ cancelled: true, run: 'r1' })],
      undefined,
    ])
    expect(parts.announceCancel).toHaveBeenCalledOnce()
  })

  test.each([
    ['answer', done('succeeded'), 'succeeded'],
    [null, done('failed'), 'failed'],
    ['cancelled', CANCELLED, 'cancelled'],
  ])('leaves an end that the job has had: %s', async (value, record, status) => {
    const { parts, records, name } = viewScene(stored(value, record))
    expect((await cancelJob(parts, name)).status).toBe(status)
    expect(records.end).not.toHaveBeenCalled()
    expect(parts.announceCancel).not.toHaveBeenCalled()
  })

  test('ends the new run, where the id has moved to one meanwhile', async () => {
    const { parts, records, name } = viewScene(
      stored(null),
      stored(null, { run: 'r2' }),
      stored('cancelled', { ...CANCELLED, run: 'r2' }),
    )
    records.end.mockResolvedValueOnce('moved')
    expect((await cancelJob(parts, name)).status).toBe('cancelled')
    expect(records.end.mock.calls.map(([, run]) => run)).toEqual(['r1', 'r2'])
    expect(parts.announceCancel).toHaveBeenCalledOnce()
  })

  test('that comes too late gives the outcome which was faster', async () => {
    const { parts, records, name } = viewScene(stored(null), stored('answer', done('succeeded')))
    records.end.mockResolvedValueOnce('ended')
    expect((await cancelJob(parts, name)).status).toBe('succeeded')
    expect(parts.announceCancel).not.toHaveBeenCalled()
  })

  test('that Redis does not take says that the job may run on', async () => {
    const { parts, records, name } = viewScene(stored(null))
    records.end.mockRejectedValue(new Error('away'))
    await expect(cancelJob(parts, name)).rejects.toMatchObject({
      code: 'results_down',
      message: 'the job could not be cancelled',
    })
  })
})

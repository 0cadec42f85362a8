import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { CLAIM_GRACE_MS } from '../../../src/gateway/job-state.ts'
import { cancelJob, lookAtJob } from '../../../src/gateway/job-view.ts'
import {
  CANCELLED,
  CLAIMED,
  KEEP_MS,
  LIFE_MS,
  PUBLISHED,
  done,
  stored,
  viewScene,
} from '../../support/job-view.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

describe('a job in flight', () => {
  test.each([
    ['queued', null, CLAIMED],
    ['queued', null, PUBLISHED],
    ['running', 'running', CLAIMED],
    ['running', 'running', PUBLISHED],
  ])('is %s with %s at its key', async (status, value, record) => {
    const { look, records } = viewScene(stored(value, record))
    const { view, run, dueAt } = await look()
    expect(view).toEqual({ id: 'j', status, createdAt: 5, finishedAt: null, outcome: null })
    expect(run).toBe('r1')
    expect(dueAt).toBe(performance.now() + 30_001)
    expect(records.finish).not.toHaveBeenCalled()
  })

  test('is running as soon as its worker has written a delta, until its life is over', async () => {
    const more = { hasDeltas: true }
    expect((await viewScene(stored(null, CLAIMED, more)).look()).view.status).toBe('running')
    const over = { ...more, remainingMs: 0 }
    expect((await viewScene(stored(null, CLAIMED, over)).look()).view.status).toBe('expired')
  })

  test.each([null, 'running'])(
    'has expired when its life is over, with %s at its key',
    async (value) => {
      const { look, records } = viewScene(stored(value, PUBLISHED, { remainingMs: 0 }))
      const { view, dueAt } = await look()
      const outcome = { kind: 'expired' }
      expect(view).toEqual({ id: 'j', status: 'expired', createdAt: 5, finishedAt: null, outcome })
      expect(dueAt).toBe(Infinity)
      expect(records.finish).not.toHaveBeenCalled()
    },
  )

  test('that expired has the outcome that came late', async () => {
    const { look } = viewScene(
      stored('answer', done('read'), { remainingMs: -5, wasInFlight: true }),
    )
    expect((await look()).view).toMatchObject({ status: 'succeeded', finishedAt: 7 })
  })
})

describe('a job whose end this look is the first to see', () => {
  test.each([
    ['answer', 'succeeded', undefined],
    ['our answer', 'succeeded', undefined],
    ['failure', 'failed', 'failed'],
    ['cancelled', 'cancelled', 'cancelled'],
    ['junk', 'failed', 'failed'],
  ])('by %s is %s, and the record says so', async (value, status, written) => {
    // The script has marked it as read, and cannot know how it ended.
    const { look, records } = viewScene(stored(value, done('read'), { wasInFlight: true }))
    const { view, dueAt } = await look()
    expect(view).toMatchObject({ status, createdAt: 5, finishedAt: 7, outcome: { kind: status } })
    expect(dueAt).toBe(Infinity)
    expect(records.finish.mock.calls.map(([, run, kind]) => [run, kind])).toEqual(
      written === undefined ? [] : [['r1', written]],
    )
  })

  test('has a result that no reader can read: a failure which says why', async () => {
    const { look } = viewScene(stored('junk', done('read'), { wasInFlight: true }))
    const outcome = { kind: 'failed', type: 'bad_result', message: 'not of its form' }
    expect((await look()).view.outcome).toEqual(outcome)
  })

  test('has ended, whether or not that can be written down', async () => {
    const { look, records } = viewScene(stored('our answer', CLAIMED, { isSure: false }))
    records.finish.mockRejectedValue(new Error('away'))
    expect((await look()).view).toMatchObject({ status: 'succeeded', finishedAt: null })
  })
})

describe('a job whose end is known', () => {
  test.each([
    ['succeeded', 'answer'],
    ['read', 'answer'],
    ['failed', 'failure'],
    ['failed', 'junk'],
    ['cancelled', 'cancelled'],
  ])('as %s is seen with its outcome, and not written down again', async (kind, value) => {
    const { look, records } = viewScene(stored(value, done(kind)))
    const status = kind === 'read' ? 'succeeded' : kind
    expect((await look()).view).toMatchObject({ status, finishedAt: 7, outcome: { kind: status } })
    expect(records.finish).not.toHaveBeenCalled()
  })

  test.each([
    ['succeeded', 'succeeded'],
    ['read', 'succeeded'],
    ['failed', 'failed'],
    ['cancelled', 'cancelled'],
    ['expired', 'expired'],
  ])(
    'as %s and whose result is gone keeps its status, without an outcome',
    async (kind, status) => {
      for (const value of [null, 'running']) {
        const { look } = viewScene(stored(value, done(kind), { remainingMs: -1 }))
        expect((await look()).view).toEqual({
          id: 'j',
          status,
          createdAt: 5,
          finishedAt: 7,
          outcome: null,
        })
      }
    },
  )

  test.each([null, 'cancelled', 'running', 'answer', 'failure', 'junk', 'our answer'])(
    'as cancelled stays so, with %s at its key',
    async (value) => {
      for (const remainingMs of [30_000, -1]) {
        const { look, records } = viewScene(stored(value, CANCELLED, { remainingMs }))
        const outcome = { kind: 'cancelled' }
        expect((await look()).view).toEqual({
          id: 'j',
          status: 'cancelled',
          createdAt: 5,
          finishedAt: 7,
          outcome,
        })
        expect(records.finish).not.toHaveBeenCalled()
      }
    },
  )
})

describe('a result that may be an earlier run’s', () => {
  test('is no end, and is looked at again soon while the claim is young', async () => {
    const unsure = { isSure: false, remainingMs: LIFE_MS - KEEP_MS }
    const { look, records } = viewScene(stored('answer', CLAIMED, unsure))
    const { view, dueAt } = await look()
    expect(view).toMatchObject({ status: 'queued', outcome: null })
    expect(dueAt).toBe(performance.now() + 100)
    expect(records.finish).not.toHaveBeenCalled()
    expect(records.dropForeign).not.toHaveBeenCalled()
  })

  test('is not looked at again for ever: after the grace another replica decides', async () => {
    const remainingMs = LIFE_MS - KEEP_MS - CLAIM_GRACE_MS
    const { look } = viewScene(stored('answer', CLAIMED, { isSure: false, remainingMs }))
    expect((await look()).dueAt).toBe(performance.now() + remainingMs + 1)
  })

  test('is this run’s, where it says so', async () => {
    const { look, records } = viewScene(stored('our answer', CLAIMED, { isSure: false }))
    const { view, dueAt } = await look()
    expect(view).toMatchObject({ status: 'succeeded', finishedAt: 2 })
    expect(dueAt).toBe(Infinity)
    expect(records.finish.mock.calls.map(([, run, kind]) => [run, kind])).toEqual([
      ['r1', 'succeeded'],
    ])
  })
})

describe('a result of another run', () => {
  test('is dropped, and the job is in flight although a script had marked it as read', async () => {
    const { look, records } = viewScene(stored('their answer', done('read'), { wasInFlight: true }))
    const { view, dueAt } = await look()
    expect(view).toEqual({
      id: 'j',
      status: 'queued',
      createdAt: 5,
      finishedAt: null,
      outcome: null,
    })
    expect(dueAt).toBe(performance.now() + 30_001)
    expect(records.dropForeign.mock.calls.map(([, ...rest]) => rest)).toEqual([
      ['r0', 'their answer', true],
    ])
    expect(records.finish).not.toHaveBeenCalled()
  })

  test('beside a job that has ended is dropped, and does not open that again', async () => {
    const { look, records } = viewScene(stored('their answer', done('succeeded')))
    expect((await look()).view).toMatchObject({ status: 'succeeded', finishedAt: 7, outcome: null })
    expect(records.dropForeign.mock.calls.map(([, ...rest]) => rest)).toEqual([
      ['r0', 'their answer', false],
    ])
  })

  test('is no end either where it cannot be dropped', async () => {
    const { look, records } = viewScene(stored('their answer', done('read'), { wasInFlight: true }))
    records.dropForeign.mockRejectedValue(new Error('away'))
    expect((await look()).view.status).toBe('queued')
  })
})

describe('a look', () => {
  test('finds no job without a record, and none of another owner', async () => {
    const gone = viewScene(undefined)
    await expect(gone.look()).rejects.toMatchObject({ code: 'not_found' })
    const theirs = viewScene(stored('answer', { ...done('succeeded'), owner: 'b' }))
    for (const owner of ['', 'a']) {
      const looking = lookAtJob(theirs.parts, { id: 'j', owner })
      await expect(looking).rejects.toMatchObject({ code: 'not_found' })
      await expect(cancelJob(theirs.parts, { id: 'j', owner })).rejects.toMatchObject({
        code: 'not_found',
      })
    }
    expect(theirs.records.end).not.toHaveBeenCalled()
    expect((await lookAtJob(theirs.parts, { id: 'j', owner: 'b' })).view.status).toBe('succeeded')
  })

  test('looks at the keys of the owner’s own job', async () => {
    const { parts, records } = viewScene(stored(null, { owner: 'b' }))
    const { view } = await lookAtJob(parts, { id: 'j', owner: 'b' })
    expect(view.id).toBe('j')
    expect(records.view.mock.calls[0]?.[0].results).toEqual(['p:b:j'])
  })

  test('rejects where Redis cannot be asked', async () => {
    const { look, records } = viewScene(undefined)
    records.view.mockReset().mockRejectedValue(new GatewayError('results_down', 'away'))
    await expect(look()).rejects.toMatchObject({ code: 'results_down' })
  })
})

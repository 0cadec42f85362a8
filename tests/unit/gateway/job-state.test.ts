import { describe, expect, test } from 'vitest'
import {
  CLAIM_GRACE_MS,
  CONFIRM_WITHIN_MS,
  MARK_AFTER_MS,
  RENEW_MS,
  dueAt,
  interruptedIn,
  moved,
  timedOutIn,
} from '../../../src/gateway/job-state.ts'
import { ASKER_LEASE_MS } from '../../../src/redis/record/lua.ts'
import { heldClaim } from '../../support/core.ts'
import type { JobState } from '../../../src/gateway/job-state.ts'

const STATES: readonly JobState[] = ['claiming', 'sending', 'following', 'accepted', 'ended']

describe('the states of a job', () => {
  test('move as they are drawn, and in no other way', () => {
    const moves = STATES.flatMap((from) =>
      STATES.filter((to) => {
        try {
          return moved(from, to) === to
        } catch {
          return false
        }
      }).map((to) => `${from} > ${to}`),
    )
    expect(moves).toEqual([
      'claiming > sending',
      'claiming > following',
      'claiming > accepted',
      'claiming > ended',
      'sending > sending',
      'sending > following',
      'sending > accepted',
      'sending > ended',
      'following > sending',
      'following > following',
      'following > accepted',
      'following > ended',
      'accepted > sending',
      'accepted > following',
      'accepted > accepted',
      'accepted > ended',
    ])
  })

  test('say at a stop whether the job was accepted', () => {
    expect(STATES.map((state) => interruptedIn(state).code)).toEqual([
      'draining',
      'acceptance_unknown',
      'acceptance_unknown',
      'interrupted',
      'interrupted',
    ])
  })

  test('say at the end of the time whether the job was accepted', () => {
    const lack = { queue: 'q', hasNoWorker: true }
    expect(STATES.slice(0, 4).map((state) => timedOutIn(state, 3, lack).code)).toEqual([
      'results_down',
      'acceptance_unknown',
      'acceptance_unknown',
      'timed_out',
    ])
    expect(timedOutIn('accepted', 3, lack).message).toContain('no worker takes jobs from queue q')
    expect(timedOutIn('accepted', 3, { ...lack, hasNoWorker: false }).message).not.toContain('q.')
  })
})

describe('what is to be done though nothing happens', () => {
  const times = {
    isPromised: false,
    graceEndsAt: Infinity,
    publishedAt: 1_000,
    timeoutMs: 300_000,
  } as const
  const claim = heldClaim({ at: 900, renewedAt: 950, remainingMs: 3_600_000 })

  test('is nothing while the record is asked', () => {
    expect(dueAt('claiming', claim, times)).toBe(Infinity)
  })

  test('is to give up the confirm, and to mark a job that is pending for long', () => {
    expect(dueAt('sending', claim, times)).toBe(1_000 + CONFIRM_WITHIN_MS)
    expect(dueAt('accepted', claim, times)).toBe(1_000 + MARK_AFTER_MS)
  })

  test('is to say again and again that clients wait for a job that is marked', () => {
    expect(dueAt('accepted', { ...claim, isPublished: true }, times)).toBe(950 + RENEW_MS)
    expect(3 * RENEW_MS).toBeLessThanOrEqual(ASKER_LEASE_MS)
  })

  test('is to cancel a job that all clients have left when the grace is over', () => {
    const left = { ...times, graceEndsAt: 1_200 }
    expect(dueAt('accepted', claim, left)).toBe(1_200)
    expect(dueAt('sending', claim, { ...left, graceEndsAt: 99_000 })).toBe(
      1_000 + CONFIRM_WITHIN_MS,
    )
  })

  test('is to take over after the grace from a publisher that may have died', () => {
    const joined = { ...claim, ageMs: 2_000 }
    const due = dueAt('following', joined, times)
    expect(due).toBeGreaterThan(900 + CLAIM_GRACE_MS - 2_000)
    expect(due).toBeLessThan(900 + CLAIM_GRACE_MS - 1_900)
  })

  test('is to ask again soon where a client waits to be told that it is accepted, while that is young', () => {
    const promised = { ...times, isPromised: true }
    expect(dueAt('following', claim, promised)).toBe(1_000)
    expect(dueAt('following', { ...claim, ageMs: 2_500 }, promised)).toBeGreaterThan(3_000)
  })

  test('is to ask again soon where a result may be an earlier run’s', () => {
    const unsure = { ...claim, ageMs: 2_500, isAnswered: true, isSure: false }
    expect(dueAt('following', unsure, times)).toBe(1_000)
  })

  test('is to end it where its life is over before the request’s time', () => {
    const short = { ...claim, remainingMs: 500, isPublished: true }
    expect(dueAt('accepted', short, times)).toBe(1_400)
    expect(dueAt('accepted', { ...short, remainingMs: 400_000 }, times)).toBe(950 + RENEW_MS)
  })
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Inbox } from '../../../src/gateway/inbox.ts'

type Note = { readonly kind: 'hint' | 'other'; readonly at?: number }

describe('Inbox', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('keeps what comes while the loop is busy, in order', async () => {
    const inbox = new Inbox<Note>()
    inbox.put({ kind: 'other', at: 1 })
    inbox.put({ kind: 'hint', at: 2 })
    expect(await inbox.next(Infinity)).toEqual({ kind: 'other', at: 1 })
    expect(await inbox.next(Infinity)).toEqual({ kind: 'hint', at: 2 })
  })

  test('wakes the loop that waits', async () => {
    const inbox = new Inbox<Note>()
    const next = inbox.next(performance.now() + 1_000)
    inbox.put({ kind: 'other' })
    expect(await next).toEqual({ kind: 'other' })
  })

  test('gives nothing when the time has come and nothing has happened', async () => {
    const inbox = new Inbox<Note>()
    const next = inbox.next(performance.now() + 1_000)
    vi.advanceTimersByTime(1_000)
    expect(await next).toBeUndefined()
  })

  test('starts no timer for a time that never comes, and none that Node would cut short', async () => {
    const inbox = new Inbox<Note>()
    const next = inbox.next(performance.now() + 2 ** 40)
    expect(vi.getTimerCount()).toBe(0)
    inbox.put({ kind: 'other' })
    expect(await next).toEqual({ kind: 'other' })
  })

  test('holds one note of a kind that is replaced, at its place', async () => {
    const inbox = new Inbox<Note>()
    inbox.replace({ kind: 'hint', at: 1 })
    inbox.put({ kind: 'other' })
    inbox.replace({ kind: 'hint', at: 2 })
    expect(inbox.rest()).toEqual([{ kind: 'hint', at: 2 }, { kind: 'other' }])
    expect(inbox.rest()).toEqual([])
  })

  test('forgets the notes of a kind', () => {
    const inbox = new Inbox<Note>()
    inbox.put({ kind: 'hint' })
    inbox.put({ kind: 'other' })
    inbox.drop('hint')
    expect(inbox.rest()).toEqual([{ kind: 'other' }])
  })
})

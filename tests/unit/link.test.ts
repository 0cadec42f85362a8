import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Link } from '../../src/link.ts'

describe('Link', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('one that was never up is refused at once, not waited for', async () => {
    expect(await new Link().recovered(1_000)).toBe(false)
  })

  test('a blip is waited for, and passed as soon as the link is back', async () => {
    const link = new Link()
    link.up()
    link.down('reset')
    const recovered = link.recovered(1_000)
    vi.advanceTimersByTime(400)
    link.up()
    expect(await recovered).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('the grace counts from the loss, not from the question', async () => {
    const link = new Link()
    link.up()
    link.down('reset')
    vi.advanceTimersByTime(900)
    const recovered = link.recovered(1_000)
    vi.advanceTimersByTime(100)
    expect(await recovered).toBe(false)
    expect(await link.recovered(1_000)).toBe(false)
  })

  test('a second reason for the same loss does not begin a new grace', async () => {
    const link = new Link()
    link.up()
    link.down('reset')
    vi.advanceTimersByTime(1_000)
    link.down('connection refused')
    expect(await link.recovered(1_000)).toBe(false)
    expect(link.reason).toBe('connection refused')
  })
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { publishUntilKnown } from '../../../src/gateway/publish.ts'
import { coreScene, heldClaim, job, settled } from '../../support/core.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }),
)
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const refusal = new GatewayError('queue_full', 'full')

/** A job that is handed to a broker, whose answers the test gives. */
function publishing(isUnwanted = (): boolean => false) {
  const { parts, records, broker, link, publishes } = coreScene()
  const claimant = {
    job,
    keys: records.keysOf('j'),
    wireId: 'j',
    fingerprint: 'f',
    asker: 'a-1',
  }
  const claim = heldClaim({ remainingMs: 60_000 })
  const demand = {
    get isUnwanted() {
      return isUnwanted()
    },
  }
  const sent = publishUntilKnown(parts, claimant, claim, { demand, onLate: () => {} })
  const messages = () => broker.publish.mock.calls.map(([message]) => message)
  return { sent, broker, link, publishes, messages }
}

/** The confirm of so many messages is lost, each as soon as it was sent. */
async function lose(publishes: ReturnType<typeof publishing>['publishes'], count: number) {
  for (let number = 0; number < count; number += 1) {
    publishes[number]?.confirm('lost')
    await settled()
  }
}

describe('a message', () => {
  test('that the broker confirms is sent once', async () => {
    const { sent, publishes, messages } = publishing()
    publishes[0]?.confirm('confirmed')
    expect(await sent).toEqual({ kind: 'confirmed' })
    expect(messages()).toMatchObject([
      { queue: 'q', messageId: 'j', run: 'r1', expirationMs: 60_000 },
    ])
  })

  test('that the broker refuses will not run, and says why', async () => {
    const { sent, publishes, messages } = publishing()
    publishes[0]?.refuse(refusal)
    expect(await sent).toEqual({ kind: 'refused', error: refusal })
    expect(messages()).toHaveLength(1)
  })

  test('that fails for a reason which is no GatewayError is refused as internal', async () => {
    const { sent, publishes } = publishing()
    publishes[0]?.refuse(new TypeError('no'))
    expect(await sent).toMatchObject({ kind: 'refused', error: { code: 'internal' } })
  })
})

test('a message is of the job as it was, also where that is emptied while what is kept of it is written', async () => {
  const { parts, records, broker, publishes } = coreScene()
  const messages = [{ role: 'user', content: 'Hello' }]
  const emptied = { ...job, messages, kept: 'what is kept' }
  const put = vi.fn<typeof parts.kept.put>(async () => {
    Object.assign(emptied, { messages: [], kept: '' })
  })
  const claimant = {
    job: emptied,
    keys: records.keysOf('j'),
    wireId: 'j',
    fingerprint: 'f',
    asker: 'a-1',
  }
  const options = { demand: { isUnwanted: false }, onLate: () => {} }
  const kept = { ...parts.kept, put }
  const sent = publishUntilKnown({ ...parts, kept }, claimant, heldClaim(), options)
  await settled()
  publishes[0]?.confirm('confirmed')
  await sent
  expect(put).toHaveBeenCalledWith(claimant.keys, 'what is kept', expect.any(Number))
  const [message] = broker.publish.mock.calls[0] ?? []
  expect(message?.delivery.body.toString()).toContain('Hello')
})

describe('a message whose confirm was lost', () => {
  test('is sent again as it was, with what is left of its life', async () => {
    const { sent, publishes, messages } = publishing()
    vi.advanceTimersByTime(7_000)
    await lose(publishes, 1)
    publishes[1]?.confirm('confirmed')
    expect(await sent).toEqual({ kind: 'confirmed' })
    const [first, second] = messages()
    expect(second).toEqual({ ...first, expirationMs: 53_000 })
  })

  test('is sent three times at most', async () => {
    const { sent, publishes, messages } = publishing()
    await lose(publishes, 3)
    expect(await sent).toEqual({ kind: 'unknown' })
    expect(messages()).toHaveLength(3)
  })

  test('is sent again as soon as the broker is back', async () => {
    const { sent, link, publishes, messages } = publishing()
    link.down('cut')
    await lose(publishes, 1)
    vi.advanceTimersByTime(9_999)
    await settled()
    expect(messages()).toHaveLength(1)
    link.up()
    await settled()
    expect(messages()).toHaveLength(2)
    publishes[1]?.confirm('confirmed')
    expect(await sent).toEqual({ kind: 'confirmed' })
  })

  test('may run for all that is known, where the broker is not back within 10 s', async () => {
    const { sent, link, publishes, messages } = publishing()
    link.down('cut')
    await lose(publishes, 1)
    vi.advanceTimersByTime(10_000)
    expect(await sent).toEqual({ kind: 'unknown' })
    link.up()
    await settled()
    expect(messages()).toHaveLength(1)
  })

  test('may run although the broker refuses it the second time', async () => {
    const { sent, publishes, messages } = publishing()
    await lose(publishes, 1)
    publishes[1]?.refuse(refusal)
    expect(await sent).toEqual({ kind: 'unknown' })
    expect(messages()).toHaveLength(2)
  })

  test('will not run where the second was too large: the first was as large', async () => {
    const { sent, publishes } = publishing()
    await lose(publishes, 1)
    const error = new GatewayError('message_too_large', 'too large')
    publishes[1]?.refuse(error)
    expect(await sent).toEqual({ kind: 'refused', error })
  })

  test('is sent a third time, where the second was refused because the link was lost again', async () => {
    const { sent, link, publishes, messages } = publishing()
    await lose(publishes, 1)
    link.down('cut')
    publishes[1]?.refuse(new GatewayError('broker_down', 'cut'))
    await settled()
    link.up()
    await settled()
    publishes[2]?.confirm('confirmed')
    expect(await sent).toEqual({ kind: 'confirmed' })
    expect(messages()).toHaveLength(3)
  })
})

describe('a message that no client wants any more', () => {
  test('is not sent again', async () => {
    const { sent, publishes, messages } = publishing(() => true)
    await lose(publishes, 1)
    expect(await sent).toEqual({ kind: 'unwanted' })
    expect(messages()).toHaveLength(1)
  })

  test('does not wait for a broker that is away', async () => {
    const { sent, link, publishes } = publishing(() => true)
    link.down('cut')
    await lose(publishes, 1)
    expect(vi.getTimerCount()).toBe(0)
    expect(await sent).toEqual({ kind: 'unwanted' })
  })

  test('is not sent again either, where its clients left while the broker was away', async () => {
    let isUnwanted = false
    const { sent, link, publishes, messages } = publishing(() => isUnwanted)
    link.down('cut')
    await lose(publishes, 1)
    isUnwanted = true
    link.up()
    expect(await sent).toEqual({ kind: 'unwanted' })
    expect(messages()).toHaveLength(1)
  })

  test('is confirmed all the same, where the broker has it', async () => {
    const { sent, publishes } = publishing(() => true)
    publishes[0]?.confirm('confirmed')
    expect(await sent).toEqual({ kind: 'confirmed' })
  })
})

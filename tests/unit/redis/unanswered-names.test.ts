import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Lines } from '../../../dev/lines.ts'
import { Link } from '../../../src/link.ts'
import { UnansweredNames } from '../../../src/redis/unanswered-names.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import type { RedisConnection } from '../../../src/redis/connection.ts'
import type { UnansweredNamesOptions } from '../../../src/redis/unanswered-names.ts'

type Client = RedisConnection['client']
const LIFE_MS = 60_000

/** A connection that comes and goes as the test says. */
function fakeConnection(client: object) {
  const link = new Link()
  const onReady: (() => void)[] = []
  const onLost: (() => void)[] = []
  return {
    client: client as Client,
    link,
    onReady: (listener: () => void) => void onReady.push(listener),
    onLost: (listener: () => void) => void onLost.push(listener),
    connect: () => {
      link.up()
      for (const listener of onReady) listener()
    },
    lose: () => {
      link.down('cut')
      for (const listener of onLost) listener()
    },
  }
}

/** A reply that the test gives later. */
function laterReply<T>() {
  let give: (value: T) => void = () => {}
  const reply = new Promise<T>((resolve) => (give = resolve))
  return { reply, give }
}

/** Redis, whose replies to the reads of names the test gives. */
function scene() {
  let clock = 1_000
  const lines = new Lines()
  const subscribe = vi.fn<(channel: string, hear: (name: string) => void) => Promise<void>>()
  subscribe.mockResolvedValue()
  const evaluate = vi.fn<(script: string) => Promise<unknown>>(async () => [])
  const subscriber = fakeConnection({ subscribe })
  const data = fakeConnection({ eval: evaluate })
  const options: UnansweredNamesOptions = {
    subscriber,
    data,
    prefix: 'p',
    lifeMs: LIFE_MS,
    log: createLog('debug', lines),
    now: () => clock,
  }
  const names = new UnansweredNames(options)
  const is = (kind: string) => vi.waitFor(() => expect(names.state).toBe(kind))
  return {
    names,
    subscriber,
    data,
    subscribe,
    evaluate,
    lines,
    is,
    /** As a replica that announces a name. */
    say: (name: string) => subscribe.mock.calls[0]?.[1](name),
    pass: (ms: number) => (clock += ms),
    connect: async () => {
      for (const connection of [data, subscriber]) connection.connect()
      await is('current')
    },
  }
}

let one: ReturnType<typeof scene>
beforeEach(() => {
  one = scene()
})

describe('every name may have a job', () => {
  test('before both connections are there', () => {
    expect([one.names.state, one.names.take('x')]).toEqual(['connecting', true])
    one.data.connect()
    expect([one.names.state, one.names.take('x')]).toEqual(['connecting', true])
    expect(one.evaluate).not.toHaveBeenCalled()
  })

  test('while the names are read, which begins after the subscription', async () => {
    const read = laterReply<unknown>()
    const subscribed = laterReply<void>()
    one.subscribe.mockReturnValue(subscribed.reply)
    one.evaluate.mockReturnValue(read.reply)
    for (const connection of [one.data, one.subscriber]) connection.connect()
    expect([one.names.state, one.names.take('x')]).toEqual(['reading', true])
    expect(one.evaluate).not.toHaveBeenCalled()
    subscribed.give()
    await vi.waitFor(() => expect(one.evaluate).toHaveBeenCalled())
    expect(one.names.take('x')).toBe(true)
    read.give(['kept'])
    await one.is('current')
    expect([one.names.take('x'), one.names.take('kept')]).toEqual([false, true])
  })

  test('from the loss of the subscriber until the names were read again', async () => {
    await one.connect()
    expect(one.names.take('x')).toBe(false)
    one.subscriber.lose()
    expect([one.names.state, one.names.take('x')]).toEqual(['connecting', true])
    one.evaluate.mockResolvedValue(['missed'])
    one.subscriber.connect()
    await one.is('current')
    expect([one.names.take('x'), one.names.take('missed')]).toEqual([false, true])
    expect(one.subscribe).toHaveBeenCalledTimes(1)
  })

  test('where the subscriber was lost during the read, whose reply came all the same', async () => {
    const read = laterReply<unknown>()
    one.evaluate.mockReturnValueOnce(read.reply)
    for (const connection of [one.data, one.subscriber]) connection.connect()
    await vi.waitFor(() => expect(one.evaluate).toHaveBeenCalled())
    one.subscriber.lose()
    read.give(['early'])
    // All that follows the reply is done in this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    expect([one.names.state, one.names.take('x')]).toEqual(['connecting', true])
  })

  test.each(['subscribe', 'evaluate'] as const)(
    'where %s is refused; it is tried again after 15 s, and logged once',
    async (refused) => {
      one[refused].mockRejectedValue(new Error('NOPERM'))
      for (const connection of [one.data, one.subscriber]) connection.connect()
      await one.is('failed')
      one.pass(14_999)
      expect(one.names.take('x')).toBe(true)
      expect(one.names.state).toBe('failed')
      one.pass(1)
      expect(one.names.take('x')).toBe(true)
      expect(one.names.state).toBe('reading')
      await one.is('failed')
      expect(one.lines.named('unanswered.not_announced')).toHaveLength(1)
      one[refused].mockReset()
      one.evaluate.mockResolvedValue([])
      one.pass(15_000)
      one.names.take('x')
      await one.is('current')
      expect(one.names.take('x')).toBe(false)
    },
  )
})

describe('a name that was announced', () => {
  test('is given once', async () => {
    await one.connect()
    one.say('heard')
    expect([one.names.take('heard'), one.names.take('heard')]).toEqual([true, false])
  })

  test('is forgotten after its life, which begins again with each announcement', async () => {
    await one.connect()
    for (const name of ['first', 'second']) one.say(name)
    one.pass(LIFE_MS - 1)
    one.say('first')
    one.pass(1)
    expect(one.names.take('second')).toBe(false)
    one.pass(LIFE_MS - 2)
    expect(one.names.take('first')).toBe(true)
  })

  test('here is known here at once, also where Redis did not take it', async () => {
    await one.connect()
    one.evaluate.mockRejectedValue(new Error('NOPERM'))
    for (const name of ['own', 'other']) await one.names.announce(name)
    expect([one.names.state, one.names.take('own')]).toEqual(['current', true])
    expect(one.lines.named('unanswered.not_announced')).toHaveLength(1)
  })

  test('is not the one with which a replica tries its rights', async () => {
    await one.connect()
    one.say('')
    expect(one.names.take('')).toBe(false)
  })
})

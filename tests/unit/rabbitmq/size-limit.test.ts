import { expect, test } from 'vitest'
import { SizeLimit } from '../../../src/rabbitmq/size-limit.ts'

/** As RabbitMQ 3.10 closes a channel. */
const REFUSED = new Error(
  'Channel closed by server: 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - ' +
    'message size 2097152 is larger than configured max size 1048576"',
)

test('what has passed is safe, and nothing larger', () => {
  const limit = new SizeLimit()
  expect(limit.isSafe(10_000)).toBe(false)
  limit.passed(10_000)
  limit.passed(5_000)
  expect([limit.isSafe(10_000), limit.isSafe(10_001)]).toEqual([true, false])
})

test('a limit is learned from the first refusal', () => {
  const limit = new SizeLimit()
  expect(limit.refusalOf(2_097_152)).toBeUndefined()
  limit.learn(new Error('Channel closed by server: 404 (NOT-FOUND)'))
  expect(limit.refusalOf(2_097_152)).toBeUndefined()
  limit.learn(REFUSED)
  expect(limit.refusalOf(1_048_576)).toBeUndefined()
  expect(limit.refusalOf(1_048_577)).toMatchObject({
    code: 'message_too_large',
    message: 'the message has 1048577 bytes, and the broker takes 1048576 at most',
  })
})

test('the next broker may have another one', () => {
  const limit = new SizeLimit()
  limit.passed(10_000)
  limit.learn(REFUSED)
  limit.forget()
  expect([limit.isSafe(10_000), limit.refusalOf(2_097_152)]).toEqual([false, undefined])
})

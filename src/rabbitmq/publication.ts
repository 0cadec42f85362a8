import { contentProperties, runProperties } from './connect.ts'
import { GatewayError } from '../errors.ts'
import type { Delivery } from '../dialect.ts'
import type { ErrorCode } from '../errors.ts'

/** A job's message, and where it goes. */
export interface Publication {
  readonly queue: string
  readonly delivery: Delivery
  /** The job's id on the wire: the same message again has the same id. */
  readonly messageId: string
  readonly run: string
  /** After so many milliseconds in the queue the broker drops it. */
  readonly expirationMs: number
  /** Called when the broker has not answered within `CONFIRM_DEADLINE_MS`. It may still do so. */
  readonly onLate?: () => void
}

/** Called with null when the message was confirmed, and with an error when it was refused or no answer will come. */
export type OnAnswer = (error: Error | null) => void

export function propertiesOf({ delivery, messageId, run, expirationMs }: Publication) {
  const { priority } = delivery
  return {
    mandatory: true,
    persistent: true,
    messageId,
    // The broker closes the channel over a fraction or a negative number.
    expiration: String(Math.max(0, Math.floor(expirationMs))),
    ...contentProperties(delivery),
    ...runProperties(delivery, run),
    ...(priority !== undefined && { priority }),
  }
}

/** What the broker's refusals are called in the metrics. */
const REFUSALS = new Map<ErrorCode | undefined, string>([
  ['no_such_queue', 'returned'],
  ['queue_full', 'refused'],
  ['message_too_large', 'too_large'],
])

/** How a message that was not taken is counted. */
export const refusalName = (error: unknown): string =>
  (error instanceof GatewayError ? REFUSALS.get(error.code) : undefined) ?? 'not_sent'

/** The queue owes a confirm for too long. */
export const silent = (queue: string) =>
  new GatewayError('broker_down', `the broker confirms nothing for queue ${queue} now`)

/** Where an operator has to act first, the client hears why. */
export function noSuchQueue(queue: string, problem: string | undefined): GatewayError {
  const message = `queue ${queue} does not exist on the broker`
  return problem === undefined
    ? new GatewayError('no_such_queue', message)
    : new GatewayError('no_such_queue', `${message}: ${problem}`, { needsOperator: true })
}

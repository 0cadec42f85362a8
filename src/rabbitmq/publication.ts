import { contentProperties, runProperties } from './connect.ts'
import type { Delivery } from '../dialect.ts'

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

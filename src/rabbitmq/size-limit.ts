import { GatewayError } from '../errors.ts'

/** No broker's limit is below this. */
const SAFE_BYTES = 4_096

/** The broker's words, with the size of the message and its own limit. */
const TOO_LARGE = /message size \d+ .*?larger than .*?max(?:imum)? size (\d+)/i

/**
 * How large a message may be. RabbitMQ does not tell its limit before it refuses a message, and
 * then it closes the channel, with all messages that it has not confirmed. So it is remembered
 * up to which size messages have passed, and which size was refused.
 */
export class SizeLimit {
  #passed = SAFE_BYTES
  #limit = Number.POSITIVE_INFINITY

  /** The next broker may have another limit. */
  forget(): void {
    this.#passed = SAFE_BYTES
    this.#limit = Number.POSITIVE_INFINITY
  }

  /** Whether a message of this size is known to do no harm. */
  isSafe(bytes: number): boolean {
    return bytes <= this.#passed
  }

  passed(bytes: number): void {
    this.#passed = Math.max(this.#passed, bytes)
  }

  /** Takes the limit from the error that closed a channel, if it is in there. */
  learn(error: Error): void {
    const limit = TOO_LARGE.exec(error.message)?.[1]
    if (limit === undefined) return
    this.#limit = Number(limit)
    this.#passed = Math.min(this.#passed, this.#limit)
  }

  /** What a message of this size gets, if it is known to be too large. */
  refusalOf(bytes: number): GatewayError | undefined {
    if (bytes <= this.#limit) return undefined
    return new GatewayError(
      'message_too_large',
      `the message has ${bytes} bytes, and the broker takes ${this.#limit} at most`,
    )
  }
}

import { GatewayError } from '../errors.ts'

/** What a body takes of the budget, from its first byte until the broker has its job. */
export interface BodyShare {
  /** So many more bytes are held for the body. Throws `overloaded` where there is no room for them. */
  add(bytes: number): void
  /** None are held any more. It may be called again. */
  release(): void
}

/**
 * The bytes of all bodies that are being read or wait for the broker. Requests beyond it are
 * refused, so that many large requests at once cannot fill the memory. Bytes count as they
 * arrive: a client that states a large body and sends nothing keeps no other client out.
 */
export class BodyBudget {
  readonly #maxBytes: number
  #held = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get held(): number {
    return this.#held
  }

  /** A share for a new body. `expected`: its length where the client states it. Throws as `add` does. */
  begin(expected: number): BodyShare {
    this.#check(expected)
    let mine = 0
    return {
      add: (bytes) => {
        // A body that is alone is always read: how large one may be is another limit.
        if (this.#held > mine) this.#check(bytes)
        mine += bytes
        this.#held += bytes
      },
      release: () => {
        this.#held -= mine
        mine = 0
      },
    }
  }

  #check(bytes: number): void {
    if (this.#held > 0 && this.#held + bytes > this.#maxBytes) {
      throw new GatewayError('overloaded', 'too many large requests are being read')
    }
  }
}

import type { ServerResponse } from 'node:http'
import type { Client } from '../client.ts'

/**
 * The client by its response, which closes when the connection does. A request's
 * AbortSignal would say the same, at the price of a sixth of all the gateway's work.
 */
export function clientOf(outgoing: ServerResponse | undefined): Client | undefined {
  if (outgoing === undefined) return undefined
  return {
    get isGone() {
      return outgoing.destroyed
    },
    onGone: (listener) => void outgoing.once('close', listener),
  }
}

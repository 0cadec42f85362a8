import type { IncomingMessage } from 'node:http'

/**
 * All bytes of a body, from Node's request. `count` is called with the length of each piece
 * before it is kept. Where it throws, the pieces so far are dropped, and the rest is dropped as it
 * arrives, so that the client can read why. Rejects where the client leaves before the end.
 *
 * The web stream of the request would do the same, but it holds what it has read for as long as
 * the request lives.
 */
export function readSocket(
  incoming: IncomingMessage,
  count: (bytes: number) => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const finish = (): void => {
      for (const [name, listener] of Object.entries(listeners)) incoming.off(name, listener)
    }
    const fail = (error: unknown): void => {
      finish()
      pieces.length = 0
      incoming.on('error', () => {}).resume()
      reject(error as Error)
    }
    const listeners = {
      data: (piece: Buffer): void => {
        try {
          count(piece.length)
          pieces.push(piece)
        } catch (error) {
          fail(error)
        }
      },
      end: (): void => {
        finish()
        resolve(Buffer.concat(pieces.splice(0)))
      },
      error: fail,
      close: () => fail(new Error('the connection was closed')),
    }
    for (const [name, listener] of Object.entries(listeners)) incoming.on(name, listener)
    if (incoming.destroyed) fail(incoming.errored ?? new Error('the connection was closed'))
  })
}

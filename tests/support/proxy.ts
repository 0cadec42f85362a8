import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** What a link may do to the bytes of one direction. */
export interface LinkFault {
  /** Every chunk comes so much later, in order. */
  delayMs?: number
  /** Every chunk waits until this resolves, and the order stays. Unlike a delay, it is long enough on a slow machine. */
  until?: Promise<unknown>
  /** Bytes are swallowed; the connection stays open. */
  blackHole?: boolean
  /** No more than so many bytes a second come through; the rest waits. */
  bytesPerS?: number
  /** Every chunk arrives in pieces of so many bytes, each in a segment of its own. */
  sliceBytes?: number
}

/** The faults of one connection, by direction; changed at any time. */
export interface LinkFaults {
  toServer: LinkFault
  toClient: LinkFault
}

/** What Redis sends about a key: the acknowledgement of a SUBSCRIBE to its events, and the event of a SET. */
export function saidOf(key: string): { readonly subscribed: string; readonly set: string } {
  const channel = `__keyspace@0__:${key}`
  const text = `$${channel.length}\r\n${channel}\r\n`
  return { subscribed: `subscribe\r\n${text}`, set: `${text}$3\r\nset\r\n` }
}

/** So many characters of a server's last output are kept, because a text may arrive in two chunks. */
const TAIL = 4_096

/**
 * A TCP proxy in front of a server, to break its link. `faultsOf` is asked with
 * the first bytes of each connection, so that two connections of one client can
 * be treated differently.
 */
export class LinkProxy {
  #target: URL
  readonly #server: Server
  /** With a look at what its client said first. */
  readonly #sockets = new Map<Socket, () => string>()
  faults: LinkFaults = { toServer: {}, toClient: {} }
  faultsOf: (firstBytes: string) => LinkFaults = () => this.faults
  /** Sees what clients say, before it is passed on. */
  onBytes: (chunk: Buffer, client: Socket) => void = () => {}
  readonly #awaited = new Set<(said: string) => void>()

  constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((client) => this.#accept(client))
  }

  /** From now on, new connections lead to this server. Those that exist stay as they are. */
  leadTo(target: string): void {
    this.#target = new URL(target)
  }

  /** Begins to accept connections; returns the target's URL with the proxy's address. */
  async open(port = 0): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
    return this.url
  }

  get url(): string {
    const url = new URL(this.#target)
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return url.href
  }

  /**
   * Resolves when the server has sent this text and the event loop has turned. A
   * client in this process has read the text by then, unless this link holds it up.
   */
  async said(text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (said: string): void => {
        if (!said.includes(text)) return
        this.#awaited.delete(look)
        resolve()
      }
      this.#awaited.add(look)
    })
    for (const _ of [1, 2]) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Ends connections as a reset does: all, or those whose first bytes hold this text. */
  cut(firstBytes = ''): void {
    for (const [socket, first] of this.#sockets) {
      if (first().includes(firstBytes)) socket.resetAndDestroy()
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets.keys()) socket.destroy()
    await closed
  }

  #accept(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname)
    let faults: LinkFaults | undefined
    let first = ''
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      this.#sockets.set(socket, () => first)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
      socket.on('error', () => {})
    }
    client.on('data', (chunk) => {
      if (faults === undefined) {
        first = chunk.toString('latin1')
        faults = this.faultsOf(first)
      }
      this.onBytes(chunk, client)
      pass(chunk, client, server, faults.toServer)
    })
    let last = ''
    server.on('data', (chunk) => {
      pass(chunk, server, client, (faults ?? this.faults).toClient)
      if (this.#awaited.size === 0) return
      const said = last + chunk.toString('latin1')
      for (const look of this.#awaited) look(said)
      last = said.slice(-TAIL)
    })
  }
}

function pass(chunk: Buffer, from: Socket, to: Socket, fault: LinkFault): void {
  const { delayMs = 0, until, blackHole, bytesPerS, sliceBytes } = fault
  if (blackHole) return
  if (until !== undefined) {
    void until.then(() => to.write(chunk))
    return
  }
  if (sliceBytes !== undefined) {
    for (let at = 0; at < chunk.length; at += sliceBytes)
      to.write(chunk.subarray(at, at + sliceBytes))
    return
  }
  if (bytesPerS !== undefined) {
    // Read no further until these bytes have had their time: the sender feels it.
    from.pause()
    setTimeout(
      () => {
        to.write(chunk)
        from.resume()
      },
      (chunk.length / bytesPerS) * 1000,
    )
  } else if (delayMs === 0) to.write(chunk)
  else setTimeout(() => to.write(chunk), delayMs)
}

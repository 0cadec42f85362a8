import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** Longer than the idle time of common load balancers, so that the load balancer closes an idle connection first. */
export const KEEP_ALIVE_MS = 72_000
/** How long a request may take to arrive: its head, and all of it. The wait for an outcome begins after that. */
export const HEAD_WITHIN_MS = 15_000
export const REQUEST_WITHIN_MS = 60_000
export const CHECK_EVERY_MS = 2_000
/** A client that reads nothing of its answer for this long is disconnected, because the answer fills our memory. */
const READ_WITHIN_MS = 30_000
/** How long connections may take to close after the last request was answered. */
const CLOSE_DEADLINE_MS = 2_000

export type OnRequest = (request: IncomingMessage, response: ServerResponse) => unknown

/** The HTTP server: its time limits, the requests it refuses before any route sees them, and its orderly stop. */
export class Listener {
  readonly #http: Server
  readonly #onRequest: OnRequest
  readonly #unanswered = new Set<ServerResponse>()
  /** The responses that a connection still waits for. None: the connection is idle. */
  readonly #waiting = new WeakMap<Socket, Set<ServerResponse>>()
  readonly #faulty = new WeakSet<Socket>()
  #isEnding = false

  constructor(onRequest: OnRequest) {
    this.#onRequest = onRequest
    const limits = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    }
    this.#http = createServer(limits, (request, response) => this.#take(request, response))
    this.#giveUpIdle()
  }

  /** Resolves with the URL. Port 0 means any free port. */
  async open({ host, port }: { host: string; port: number }): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject)
      this.#http.listen(port, host, resolve)
    })
    const { port: bound } = this.#http.address() as AddressInfo
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
  }

  /** From now on every answer tells the client to close its connection. */
  sayGoodbye(): void {
    this.#isEnding = true
    for (const response of this.#unanswered) {
      if (!response.headersSent) response.setHeader('connection', 'close')
    }
  }

  /**
   * Accepts no more connections. Resolves when `answered` has resolved and all connections are
   * closed. A client that reads its answer slowly is cut off a little after `graceMs`.
   */
  async close(answered: Promise<void>, graceMs: number): Promise<void> {
    const cut = setTimeout(() => this.#http.closeAllConnections(), graceMs + CLOSE_DEADLINE_MS)
    const closed = new Promise((resolve) => this.#http.close(resolve))
    this.#http.closeIdleConnections()
    await answered
    clearTimeout(cut)
    // The last answers are written in the turn after the drain. After that, the idle connections can be closed.
    await new Promise((resolve) => setImmediate(resolve))
    this.#http.closeIdleConnections()
    const force = setTimeout(() => this.#http.closeAllConnections(), CLOSE_DEADLINE_MS)
    await closed
    clearTimeout(force)
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    // It was read together with a faulty request, so it may be a part of that request's body.
    if (this.#faulty.has(socket)) return
    if (isFaulty(request)) {
      this.#faulty.add(socket)
      response.writeHead(400, { connection: 'close', 'content-length': 0 }).end()
      return
    }
    this.#unanswered.add(response)
    const waiting = this.#waitingOn(socket)
    waiting.add(response)
    response.once('close', () => {
      this.#unanswered.delete(response)
      waiting.delete(response)
    })
    if (this.#isEnding) response.setHeader('connection', 'close')
    void this.#onRequest(request, response)
  }

  #waitingOn(socket: Socket): Set<ServerResponse> {
    let waiting = this.#waiting.get(socket)
    if (waiting === undefined) {
      const responses = (waiting = new Set())
      this.#waiting.set(socket, responses)
      socket.once('close', () => closeQueued(responses))
    }
    return waiting
  }

  /**
   * Without a listener for `timeout`, Node closes every silent connection, even one whose client waits for
   * an outcome. With a listener it closes none. So we close those that are idle or do not read their answer.
   */
  #giveUpIdle(): void {
    // Half of the limit, because Node starts this timer once more if a write had begun.
    this.#http.timeout = READ_WITHIN_MS / 2
    this.#http.on('timeout', (socket: Socket) => {
      const isWaiting = this.#waitingOn(socket).size > 0
      if (socket.writableLength > 0 || !isWaiting) socket.destroy()
    })
  }
}

/**
 * When a connection closes, Node emits `close` only on the response whose turn it is. If the
 * client has sent several requests at once, we must do it for the others, or they wait forever.
 */
function closeQueued(responses: ReadonlySet<ServerResponse>): void {
  for (const response of responses) {
    if (response.socket !== null || response.destroyed) continue
    response.destroyed = true
    response.emit('close')
  }
}

/** HTTP/1.0 has no chunks: an old proxy would read them as further requests. RFC 9112 section 6.1. */
function isFaulty({ httpVersion, headers }: IncomingMessage): boolean {
  return httpVersion === '1.0' && headers['transfer-encoding'] !== undefined
}

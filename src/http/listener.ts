import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** Above the idle time of common load balancers, so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 72_000
/** A head or a body that takes longer to arrive is not worth a connection. The wait for an outcome is no part of it. */
const HEAD_WITHIN_MS = 15_000
const REQUEST_WITHIN_MS = 60_000
const CHECK_EVERY_MS = 2_000
/** A client that takes nothing of its answer for so long is given up: it holds the answer in our memory. */
const READ_WITHIN_MS = 30_000
/** What closing connections may take once nobody waits any more. */
const CLOSE_DEADLINE_MS = 2_000

export type OnRequest = (request: IncomingMessage, response: ServerResponse) => void

/** The HTTP server: its time limits, what it refuses before any route sees it, and how it ends. */
export class Listener {
  readonly #http: Server
  readonly #onRequest: OnRequest
  readonly #unanswered = new Set<ServerResponse>()
  /** What a connection has asked for and not been answered; nothing: it is idle. */
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

  /** Resolves with the URL. Port 0 is any free one. */
  async open({ host, port }: { host: string; port: number }): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject)
      this.#http.listen(port, host, resolve)
    })
    const { port: bound } = this.#http.address() as AddressInfo
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
  }

  /** From here on every answer closes its connection. */
  sayGoodbye(): void {
    this.#isEnding = true
    for (const response of this.#unanswered) {
      if (!response.headersSent) response.setHeader('connection', 'close')
    }
  }

  /**
   * Takes no connection any more, and resolves when `answered` has and all connections are closed. A reader
   * that takes its time is cut off a little after `graceMs`.
   */
  async close(answered: Promise<void>, graceMs: number): Promise<void> {
    const cut = setTimeout(() => this.#http.closeAllConnections(), graceMs + CLOSE_DEADLINE_MS)
    const closed = new Promise((resolve) => this.#http.close(resolve))
    this.#http.closeIdleConnections()
    await answered
    clearTimeout(cut)
    // Answers are written in the turn after the drain; then no connection is waited for any longer.
    await new Promise((resolve) => setImmediate(resolve))
    this.#http.closeIdleConnections()
    const force = setTimeout(() => this.#http.closeAllConnections(), CLOSE_DEADLINE_MS)
    await closed
    clearTimeout(force)
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    // Read in the same turn as one before it that has been refused: who knows whether it is one.
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
    this.#onRequest(request, response)
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
   * Without a listener the library ends every silent connection, those whose client waits for its outcome
   * too; with one it ends none. So those that wait for us are kept, unless they do not take what they are sent.
   */
  #giveUpIdle(): void {
    // Half of it, because Node's timer runs twice when it finds that the write had begun.
    this.#http.timeout = READ_WITHIN_MS / 2
    this.#http.on('timeout', (socket: Socket) => {
      const isWaiting = this.#waitingOn(socket).size > 0
      if (socket.writableLength > 0 || !isWaiting) socket.destroy()
    })
  }
}

/**
 * Of requests that came in one go, Node tells only the response whose turn it is
 * that its connection has closed; the others would be waited for without end.
 */
function closeQueued(responses: ReadonlySet<ServerResponse>): void {
  for (const response of responses) {
    if (response.socket !== null || response.destroyed) continue
    response.destroyed = true
    response.emit('close')
  }
}

/** Chunks in HTTP/1.0 are faulty framing: a proxy of that age takes them for requests. RFC 9112 section 6.1. */
function isFaulty({ httpVersion, headers }: IncomingMessage): boolean {
  return httpVersion === '1.0' && headers['transfer-encoding'] !== undefined
}

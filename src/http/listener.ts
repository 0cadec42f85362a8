import { createServer } from 'node:http'
import { GatewayError } from '../errors.ts'
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
/**
 * A connection that has been silent for this long is asked whether its client still exists.
 * Below 350 s, after which common NATs forget a silent connection: a held request writes nothing
 * until its end.
 */
export const PROBE_AFTER_MS = 60_000
/** How long connections may take to close after the last request was answered. */
const CLOSE_DEADLINE_MS = 2_000

export type OnRequest = (request: IncomingMessage, response: ServerResponse) => unknown

/** Answers what the listener refuses. */
export interface Refuser {
  answer(request: IncomingMessage, response: ServerResponse, error: GatewayError): void
  bytes(error: GatewayError, target?: string): string
}

/** The HTTP server: its time limits, the requests it refuses before any route sees them, and its orderly stop. */
export class Listener {
  readonly #http: Server
  readonly #onRequest: OnRequest
  readonly #refuser: Refuser
  readonly #unanswered = new Set<ServerResponse>()
  /** The responses that a connection still waits for. None: the connection is idle. */
  readonly #waiting = new WeakMap<Socket, Set<ServerResponse>>()
  readonly #faulty = new WeakSet<Socket>()
  #isEnding = false

  constructor(onRequest: OnRequest, refuser: Refuser) {
    this.#onRequest = onRequest
    this.#refuser = refuser
    const limits = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      keepAlive: true,
      keepAliveInitialDelay: PROBE_AFTER_MS,
      // It is looked for in `faultOf`, because Node's own answer has no body and no id.
      requireHostHeader: false,
    }
    this.#http = createServer(limits, (request, response) => this.#take(request, response))
    this.#http.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      this.#refuse(request, response, new GatewayError('expectation_failed', EXPECTATION))
    })
    this.#http.on('clientError', (error: Fault, socket: Socket) => {
      this.#refuseRest(error, socket)
    })
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
    const fault = faultOf(request)
    if (fault !== undefined) {
      this.#refuse(request, response, new GatewayError('bad_request', fault))
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

  #refuse(request: IncomingMessage, response: ServerResponse, error: GatewayError): void {
    this.#faulty.add(request.socket)
    this.#refuser.answer(request, response, error)
  }

  /** What came on the connection is no HTTP, or came too slowly. Earlier requests keep their answers. */
  #refuseRest(cause: Fault, socket: Socket): void {
    const waiting = [...this.#waitingOn(socket)]
    const last = waiting.at(-1)
    const hasLeft = LEFT.has(cause.code ?? '') || (cause.code === CUT_OFF && last !== undefined)
    const isRefused = this.#faulty.has(socket) && last === undefined
    if (!socket.writable || hasLeft || isRefused) {
      socket.destroySoon()
      return
    }
    if (this.#faulty.has(socket)) return
    this.#faulty.add(socket)
    const error = errorOf(cause)
    const target = targetIn(cause.rawPacket) ?? last?.req.url
    const refuse = (): void => {
      socket.end(this.#refuser.bytes(error, target), () => socket.destroy())
    }
    if (last === undefined) refuse()
    else if (last.req.complete) last.once('finish', refuse)
    else {
      // The head may have come with the same bytes. By the next turn its route reads the body.
      setImmediate(() => failBody(last, error))
    }
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

/** The route that reads the body answers with this error. Any other has no use for the rest of the body. */
function failBody(response: ServerResponse, error: GatewayError): void {
  const { req } = response
  if (response.headersSent || req.listenerCount('error') === 0) {
    req.socket.destroySoon()
    return
  }
  response.setHeader('connection', 'close')
  req.emit('error', error)
}

const EXPECTATION = 'the only expectation that is met is 100-continue'

/**
 * What makes a request unusable although Node could read it. Only HTTP/1.1 must name a Host
 * (RFC 9112 section 3.2), and HTTP/1.0 has no chunks (section 6.1): an old proxy would read
 * them as further requests.
 */
function faultOf({ httpVersion, headers, rawHeaders }: IncomingMessage): string | undefined {
  const isOld = httpVersion === '1.0'
  if (isOld && headers['transfer-encoding'] !== undefined) return 'HTTP/1.0 has no chunks'
  if (!isOld && !headers.host) return 'the request must name a Host'
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && isHost(name))
  return hosts.length > 1 ? 'the request names more than one Host' : undefined
}

/** The length first, because every header of every request is looked at. */
const isHost = (name: string): boolean => name.length === 4 && name.toLowerCase() === 'host'

/** What Node says of a connection on which no valid HTTP came. */
interface Fault extends NodeJS.ErrnoException {
  /** The bytes that were read last, where they were the fault. */
  readonly rawPacket?: Buffer
}

/**
 * What the request asks for, where its first line came with the bytes that are the fault. Node
 * does not keep what was read before, so the target of a head that came in pieces is not known.
 */
function targetIn(packet: Buffer | undefined): string | undefined {
  const line = packet?.toString('latin1', 0, MAX_REQUEST_LINE) ?? ''
  return /^(?:\r?\n)*[A-Za-z-]+ (\S+)/.exec(line)?.[1]
}

/** Of the first line, no more is looked at. */
const MAX_REQUEST_LINE = 1_024

/** The client has closed the connection. */
const LEFT = new Set(['ECONNRESET', 'EPIPE'])
/** The client has closed its half in the middle of a request. */
const CUT_OFF = 'HPE_INVALID_EOF_STATE'

function errorOf(cause: NodeJS.ErrnoException): GatewayError {
  switch (cause.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('head_too_large', 'the head of the request is too large', { cause })
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new GatewayError('body_too_large', 'the extensions of a chunk are too large', {
        cause,
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request_timeout', 'the request did not arrive in time', { cause })
    case undefined:
    default:
      return new GatewayError('bad_request', 'this is no valid HTTP', { cause })
  }
}

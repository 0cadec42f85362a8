import http from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream'
import { createBrotliDecompress, createUnzip, constants } from 'node:zlib'
import { ConnectionFailure, UpstreamFailure } from './failure.ts'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

/** A server that is there accepts a connection sooner. An answer may take as long as the job's life. */
const CONNECT_WITHIN_MS = 10_000
/** A host that vanishes in silence is found by the probes of TCP. */
const KEEP_ALIVE_MS = 30_000
const MAX_REDIRECTS = 5

export interface Post {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** On a connection of its own, because an idle one may have been closed meanwhile. */
  readonly isFresh: boolean
  readonly signal: AbortSignal
}

export interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** Decompressed. */
  readonly body: Readable
  /** Ends the connection, whatever is left of the answer. */
  readonly close: () => void
}

const agents = {
  'http:': new http.Agent({ keepAlive: true }),
  'https:': new https.Agent({ keepAlive: true }),
}

/**
 * One POST, by node:http because fetch gives up an answer that takes 300 s. A redirect that keeps
 * the method is followed, without the key where the origin is another one. Rejects with an
 * `UpstreamFailure`, or with the reason of the signal.
 */
export async function post(request: Post): Promise<Reply> {
  let { url, headers } = request
  for (let hops = 0; ; hops += 1) {
    const reply = await send('POST', { ...request, url, headers })
    const { status } = reply
    const { location } = reply.headers
    if (status < 300 || status > 399) return reply
    reply.close()
    if (location === undefined) throw redirectFailure(status, 'it names no target')
    const target = URL.canParse(location, url) ? new URL(location, url) : undefined
    const scheme = target?.protocol ?? 'an unknown'
    if (status !== 307 && status !== 308) {
      throw redirectFailure(status, `to an ${scheme} address; it would turn the POST into a GET`)
    }
    if (target === undefined || !Object.hasOwn(agents, scheme)) {
      throw redirectFailure(status, `to an ${scheme} address`)
    }
    if (hops === MAX_REDIRECTS) throw redirectFailure(status, `more than ${MAX_REDIRECTS} times`)
    if (target.origin !== new URL(url).origin) headers = withoutKey(headers)
    url = target.href
  }
}

function redirectFailure(status: number, how: string): UpstreamFailure {
  const message = `the upstream redirects (status ${status}) ${how}: INNER_LLM_URL must be its own address`
  return new UpstreamFailure(`upstream_${status}`, message, { status })
}

function withoutKey(headers: Post['headers']): Post['headers'] {
  const kept = Object.entries(headers).filter(
    ([name]) => !/^(?:authorization|api-key)$/i.test(name),
  )
  return Object.fromEntries(kept)
}

/** One request, and no redirect. */
export function send(
  method: 'POST' | 'GET',
  { url, headers, body, isFresh, signal }: Post,
): Promise<Reply> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const target = new URL(url)
    const isTls = target.protocol === 'https:'
    const agent = isFresh ? false : agents[isTls ? 'https:' : 'http:']
    const options = { method, agent, headers: { ...HEADERS, ...headers } }
    const request = (isTls ? https : http).request(target, options)
    const onAbort = (): void => void request.destroy(new Error('aborted'))
    const wasConnected = connectInTime(request, isTls)
    signal.addEventListener('abort', onAbort)
    request.once('close', () => signal.removeEventListener('abort', onAbort))
    // Also after the answer has begun: then the reader of its body has the error.
    request.on('error', (error) => {
      const how = { wasConnected: wasConnected() }
      reject(signal.aborted ? (signal.reason as Error) : new ConnectionFailure(error, how))
    })
    request.once('response', (response) => {
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: decompressed(response),
        close: () => void request.destroy(),
      })
    })
    request.end(body)
  })
}

/** As fetch sends it: some servers refuse what is narrower. */
const HEADERS = { accept: '*/*', 'user-agent': 'protollm-gateway' } as const

/** Ends a request that has no connection in time. Returns whether it has had one. */
function connectInTime(request: ClientRequest, isTls: boolean): () => boolean {
  let isConnected = false
  request.once('socket', (socket) => {
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    if (request.reusedSocket) {
      isConnected = true
      return
    }
    const late = Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })
    const timer = setTimeout(() => request.destroy(late), CONNECT_WITHIN_MS)
    request.once('close', () => clearTimeout(timer))
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      isConnected = true
      clearTimeout(timer)
    })
  })
  return () => isConnected
}

/** A piece is passed on as soon as it is there; a missing end of the compressed data is no fault of its own. */
const FLUSH = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
const BROTLI_FLUSH = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
}

/** By its content encoding: a proxy may compress what it was not asked to. */
function decompressed(response: IncomingMessage): Readable {
  // The reader of the body hears of an error. None is left without a listener after it has gone.
  const ignore = (): void => {}
  let body: Readable = response.on('error', ignore)
  const encodings = (response.headers['content-encoding'] ?? '').toLowerCase().split(',')
  for (const encoding of encodings.map((name) => name.trim()).toReversed()) {
    const by = decompressorOf(encoding)
    if (by !== undefined) body = pipeline(body, by, ignore).on('error', ignore)
  }
  return body
}

function decompressorOf(encoding: string) {
  if (/^(?:x-)?gzip$|^deflate$/.test(encoding)) return createUnzip(FLUSH)
  return encoding === 'br' ? createBrotliDecompress(BROTLI_FLUSH) : undefined
}

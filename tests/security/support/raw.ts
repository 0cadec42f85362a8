import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A client that sends bytes as they are told, well formed or not. A character is a byte. */
export class RawClient {
  readonly socket: Socket
  /** Resolves when the connection is closed, by whichever side. */
  readonly closed: Promise<void>
  isClosed = false
  #received = ''

  constructor(url: string) {
    const { hostname, port } = new URL(url)
    this.socket = connect(Number(port), hostname)
    this.socket.setNoDelay(true)
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => (this.#received += text))
    // A reset is one of the ways in which a server may close.
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.isClosed = true
        resolve()
      })
    })
    onTestFinished(() => void this.socket.destroy())
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  get received(): string {
    return this.#received
  }

  /** The answers that have arrived in full, in their order. */
  get answers(): RawAnswer[] {
    const answers: RawAnswer[] = []
    for (let rest = this.#received; ;) {
      const next = answerIn(rest, this.isClosed)
      if (next === undefined) return answers
      // An interim answer is no answer yet.
      if (next.answer.status >= 200) answers.push(next.answer)
      rest = next.rest
    }
  }
}

function answerIn(
  text: string,
  isClosed: boolean,
): { readonly answer: RawAnswer; readonly rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
  if (Number.isNaN(status)) throw new Error(`no status line: ${first}`)
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const start = end + 4
  const stated = headers['content-length']
  if (headers['transfer-encoding'] === 'chunked') {
    // Only Node's own refusals come so, and they are empty.
    if (!text.startsWith('0\r\n\r\n', start)) return undefined
    return { answer: { status, headers, body: '' }, rest: text.slice(start + 5) }
  }
  // Without a length, the body ends with the connection.
  if (stated === undefined && status >= 200 && !isClosed) return undefined
  const length = status < 200 ? 0 : Number(stated ?? text.length - start)
  if (text.length < start + length) return undefined
  const body = text.slice(start, start + length)
  return { answer: { status, headers, body }, rest: text.slice(start + length) }
}

/** A request for a job, well formed but for the lines given. */
export function jobRequest(id: string, content = 'x', lines: readonly string[] = []): string {
  const body = JSON.stringify({ job_id: id, meta: {}, content })
  return requestOf(body, [`Content-Length: ${Buffer.byteLength(body)}`, ...lines])
}

/** The lines say how the body is framed. */
export function requestOf(
  body: string,
  lines: readonly string[],
  requestLine = 'POST /generate HTTP/1.1',
): string {
  return [requestLine, 'Host: x', 'Content-Type: application/json', ...lines, '', body].join('\r\n')
}

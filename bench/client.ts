import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { CHAT_PATH, chatBody } from './chat-request.ts'
import { measure, workOf } from './load.ts'
import type { Load, Measured } from './load.ts'
import type { Socket } from 'node:net'

interface Surface {
  readonly headers?: Readonly<Record<string, string>>
  readonly bodyOf: (content: string) => object
}

const GENERATE: Surface = {
  bodyOf: (content) => ({ job_id: randomUUID(), meta: {}, content }),
}

/** How a prompt is asked at each path. */
const SURFACES: Readonly<Record<string, Surface>> = {
  '/jobs': { headers: { prefer: 'wait=60' }, bodyOf: (content) => ({ content }) },
  [CHAT_PATH]: { bodyOf: chatBody },
}

/** One connection with one request at a time, in as little code as can be, because the client is not what is measured. */
class Connection {
  readonly #socket: Socket
  readonly #head: string
  readonly #bodyOf: (content: string) => object
  #buffer = ''
  #answered: (response: string) => void = () => {}

  constructor(url: URL, headers: Load['headers'] = {}) {
    const { headers: own = {}, bodyOf } = SURFACES[url.pathname] ?? GENERATE
    const lines = Object.entries({ host: url.host, ...own, ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    this.#head = `POST ${url.pathname} HTTP/1.1\r\n${lines}content-type: application/json\r\ncontent-length: `
    this.#bodyOf = bodyOf
    this.#socket = connect(Number(url.port), url.hostname)
    this.#socket.setNoDelay(true)
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#take(chunk))
    for (const event of ['error', 'close']) this.#socket.on(event, () => this.#answered('broken'))
  }

  post(content: string): Promise<string> {
    const body = JSON.stringify(this.#bodyOf(content))
    const answer = new Promise<string>((resolve) => (this.#answered = resolve))
    this.#socket.write(`${this.#head}${body.length}\r\n\r\n${body}`)
    return answer
  }

  end(): void {
    this.#socket.destroy()
  }

  #take(chunk: string): void {
    this.#buffer += chunk
    const head = this.#buffer.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = /content-length: (\d+)/i.exec(this.#buffer)?.[1]
    const isWhole =
      length === undefined
        ? this.#buffer.endsWith('0\r\n\r\n')
        : this.#buffer.length >= head + 4 + Number(length)
    if (!isWhole) return
    const response = this.#buffer
    this.#buffer = ''
    this.#answered(response)
  }
}

async function run(load: Load, url: URL): Promise<Measured> {
  const idle: Connection[] = []
  const stages: Record<string, number[]> = {}
  const result = await measure(load, async (content) => {
    const connection = idle.pop() ?? new Connection(url, load.headers)
    const response = await connection.post(content)
    if (response === 'broken') connection.end()
    else idle.push(connection)
    for (const [, name, ms] of response.matchAll(/(\w+);dur=([\d.]+)/g)) {
      ;(stages[name as string] ??= []).push(Number(ms))
    }
    return workOf(response, content)
  })
  for (const connection of idle) connection.end()
  return { ...result, stages }
}

const held: { connection: Connection; answer: Promise<string> }[] = []

async function hold(count: number, url: URL): Promise<'held'> {
  for (let index = 0; index < count; index += 1) {
    const connection = new Connection(url)
    held.push({ connection, answer: connection.post('hold') })
    if (index % 200 === 199) await pause(20)
  }
  return 'held'
}

async function released(): Promise<{ right: number }> {
  const answers = await Promise.all(held.map(({ answer }) => answer))
  for (const { connection } of held.splice(0)) connection.end()
  return { right: answers.filter((answer) => answer.includes('"echo: hold ')).length }
}

function answerTo(message: Load | 'released'): Promise<unknown> {
  if (message === 'released') return released()
  const url = new URL(message.url as string)
  if (url.pathname === '/') url.pathname = '/generate'
  return message.hold === undefined ? run(message, url) : hold(message.hold, url)
}

process.on('message', (message: Load | 'released') => {
  void answerTo(message).then((answer) => process.send?.(answer))
})
process.send?.('ready')

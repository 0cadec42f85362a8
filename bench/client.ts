import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { measure, workOf } from './stats.ts'
import type { Load } from './stats.ts'
import type { Socket } from 'node:net'

/** One connection, one request at a time, as little code as can be: the client is not what is measured. */
class Connection {
  readonly #socket: Socket
  readonly #head: string
  readonly #isJob: boolean
  #buffer = ''
  #answered: (response: string) => void = () => {}

  constructor(url: URL) {
    const prefer = url.pathname === '/jobs' ? 'prefer: wait=60\r\n' : ''
    this.#head = `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\n${prefer}content-type: application/json\r\ncontent-length: `
    this.#isJob = prefer !== ''
    this.#socket = connect(Number(url.port), url.hostname)
    this.#socket.setNoDelay(true)
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#take(chunk))
    for (const event of ['error', 'close']) this.#socket.on(event, () => this.#answered('broken'))
  }

  post(content: string): Promise<string> {
    const job = this.#isJob ? { content } : { job_id: randomUUID(), meta: {}, content }
    const body = JSON.stringify(job)
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

const timings: Record<string, number[]> = {}

function keepTimings(response: string): void {
  for (const [, name, ms] of response.matchAll(/(\w+);dur=([\d.]+)/g)) {
    ;(timings[name as string] ??= []).push(Number(ms))
  }
}

const idle: Connection[] = []
const held: { connection: Connection; answer: Promise<string> }[] = []

async function hold(url: URL, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const connection = new Connection(url)
    held.push({ connection, answer: connection.post('hold') })
    if (index % 200 === 199) await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function run(load: Load): Promise<unknown> {
  const url = new URL(load.url as string)
  if (url.pathname === '/') url.pathname = '/generate'
  if (load.hold !== undefined) return hold(url, load.hold)
  const result = await measure(load, () => async (content) => {
    const connection = idle.pop() ?? new Connection(url)
    const response = await connection.post(content)
    if (response === 'broken') connection.end()
    else idle.push(connection)
    keepTimings(response)
    return workOf(response, content)
  })
  for (const connection of idle.splice(0)) connection.end()
  const stages = Object.fromEntries(Object.entries(timings))
  for (const name of Object.keys(timings)) delete timings[name]
  return { ...result, stages }
}

async function release(): Promise<{ right: number }> {
  const answers = await Promise.all(held.map(({ answer }) => answer))
  for (const { connection } of held.splice(0)) connection.end()
  return { right: answers.filter((answer) => answer.includes('"echo: hold ')).length }
}

process.on('message', (message: Load | 'released') => {
  const work = message === 'released' ? release() : run(message)
  void work.then((result) => process.send?.(result ?? 'held'))
})
process.send?.('ready')

import { connect } from 'node:net'
import { createClient } from 'redis'
import { CHAT_PATH, chatBody } from './chat-request.ts'
import type { Socket } from 'node:net'

/**
 * Reads deltas in one of three ways: `floor` is the least there is, from XADD to
 * event to XRANGE; `sse` is a client of a server that sends the events of jobs;
 * `chat` asks for chat completions, whose jobs have ids that the server chooses.
 */
export type Reading =
  | { readonly kind: 'floor'; readonly keys: readonly string[] }
  | { readonly kind: 'sse'; readonly url: string; readonly ids: readonly string[] }
  | { readonly kind: 'chat'; readonly url: string; readonly count: number }
  /** How many deltas have been read. */
  | 'received'
  | 'stop'

export interface Read {
  /** Milliseconds from the write to the reader, sorted. */
  readonly latencies: readonly number[]
  readonly received: number
  /** Gaps and repeats in the numbers of a stream. */
  readonly disordered: number
}

const latencies: number[] = []
let disordered = 0
let stop = async (): Promise<void> => {}

/** Takes the texts of one stream, which have to come in the order of their numbers without a gap. */
function follower(): (text: string) => void {
  let next = 0
  return (text) => {
    const now = Number(process.hrtime.bigint() / 1000n)
    for (const [, number, at] of text.matchAll(/(\d+) (\d+);/g)) {
      if (Number(number) !== next) disordered += 1
      next = Number(number) + 1
      latencies.push((now - Number(at)) / 1000)
    }
  }
}

async function readFloor(keys: readonly string[]): Promise<void> {
  const url = process.env.REDIS_URL as string
  const [data, subscriber] = [createClient({ url }), createClient({ url })]
  await Promise.all([data.connect(), subscriber.connect()])
  const rangeAfter = (key: string, id: string) => data.xRange(key, `(${id}`, '+')
  for (const key of keys) {
    const onEvent = rangeReader((id) => rangeAfter(key, id))
    await subscriber.subscribe(`__keyspace@0__:${key}`, onEvent)
  }
  stop = async () => {
    for (const client of [data, subscriber]) client.destroy()
  }
}

interface StreamEntry {
  readonly id: string
  readonly message: { readonly text?: string }
}

/** Reads what is new on each event, with one read at a time; an event during a read makes it read again. */
function rangeReader(rangeAfter: (id: string) => Promise<StreamEntry[] | null>): () => void {
  const take = follower()
  let lastId = '0-0'
  let isReading = false
  let isDirty = false
  const read = async (): Promise<void> => {
    isDirty = true
    if (isReading) return
    isReading = true
    while (isDirty) {
      isDirty = false
      for (const { id, message } of (await rangeAfter(lastId)) ?? []) {
        lastId = id
        take(message.text ?? '')
      }
    }
    isReading = false
  }
  return () => void read()
}

const sockets: Socket[] = []

/** Sends a request on a connection of its own, and gives each piece of the answer to `onText`. */
function request(url: URL, text: string, onText: (text: string) => void): void {
  const socket = connect(Number(url.port), url.hostname)
  sockets.push(socket)
  socket.setNoDelay(true)
  socket.setEncoding('latin1')
  socket.on('data', onText)
  socket.write(text)
}

async function readSse(url: URL, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const head = `GET /jobs/${id}/events HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`
    // With the first event the server has subscribed.
    await new Promise<void>((resolve) => request(url, head, eventsFollower(resolve)))
  }
}

/** Takes the texts of whole events, after each of which it calls back. */
function eventsFollower(onEvents: () => void): (chunk: string) => void {
  const take = follower()
  let rest = ''
  return (chunk) => {
    rest += chunk
    const end = rest.lastIndexOf('\n\n') + 2
    if (end < 2) return
    take(rest.slice(0, end))
    rest = rest.slice(end)
    onEvents()
  }
}

/** Resolves with the ids of the jobs. All are asked for at once, because the gateway holds each answer back for a while. */
function readChats(url: URL, count: number): Promise<string[]> {
  const body = JSON.stringify({ ...chatBody('hold'), stream: true })
  const head = `POST ${CHAT_PATH} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  const idOfOne = (): Promise<string> =>
    new Promise((resolve) => {
      const follow = eventsFollower(() => {})
      request(url, head + body, (text) => {
        const id = /^x-job-id: (.+)\r$/im.exec(text)?.[1]
        if (id !== undefined) resolve(id)
        follow(text)
      })
    })
  return Promise.all(Array.from({ length: count }, idOfOne))
}

async function stopReading(): Promise<Read> {
  await stop()
  stop = async () => {}
  for (const socket of sockets.splice(0)) socket.destroy()
  const all = latencies.splice(0).toSorted((a, b) => a - b)
  const read = { latencies: all, received: all.length, disordered }
  disordered = 0
  return read
}

/** Of streams whose ids the server chooses, the ids. */
async function run(reading: Reading): Promise<Read | number | readonly string[]> {
  if (reading === 'received') return latencies.length
  if (reading === 'stop') return stopReading()
  if (reading.kind === 'chat') return readChats(new URL(reading.url), reading.count)
  if (reading.kind === 'floor') await readFloor(reading.keys)
  else await readSse(new URL(reading.url), reading.ids)
  return []
}

process.on('message', (reading: Reading) => {
  void run(reading).then((result) => process.send?.(result))
})
process.send?.('ready')

import { connect } from 'node:net'
import { createClient } from 'redis'
import type { Socket } from 'node:net'

/**
 * Reads deltas, in one of two ways: `floor` is the least there is, XADD to event
 * to XRANGE; `sse` is a client of the gateway.
 */
export type Reading =
  | { readonly kind: 'floor'; readonly keys: readonly string[] }
  | { readonly kind: 'sse'; readonly url: string; readonly ids: readonly string[] }
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

/** Of one stream: the texts come in the order of their numbers, without a gap. */
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
  const [data, subscriber] = [1, 2].map(() =>
    createClient({ url: process.env.REDIS_URL as string }),
  )
  if (data === undefined || subscriber === undefined) return
  await Promise.all([data.connect(), subscriber.connect()])
  for (const key of keys) {
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
        for (const { id, message } of (await data.xRange(key, `(${lastId}`, '+')) ?? []) {
          lastId = id
          take(message.text ?? '')
        }
      }
      isReading = false
    }
    await subscriber.subscribe(`__keyspace@0__:${key}`, () => void read())
  }
  stop = async () => {
    for (const client of [data, subscriber]) client.destroy()
  }
}

async function readSse(url: URL, ids: readonly string[]): Promise<void> {
  const sockets: Socket[] = []
  for (const id of ids) {
    const take = follower()
    const socket = connect(Number(url.port), url.hostname)
    sockets.push(socket)
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.write(`GET /jobs/${id}/events HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`)
    let rest = ''
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: string) => {
        rest += chunk
        const end = rest.lastIndexOf('\n\n') + 2
        if (end < 2) return
        take(rest.slice(0, end))
        rest = rest.slice(end)
        // Its first event: it is subscribed.
        resolve()
      })
    })
  }
  stop = async () => {
    for (const socket of sockets) socket.destroy()
  }
}

async function run(reading: Reading): Promise<Read | 'reading'> {
  if (reading === 'stop') {
    await stop()
    const all = latencies.splice(0).toSorted((a, b) => a - b)
    const read = { latencies: all, received: all.length, disordered }
    disordered = 0
    return read
  }
  if (reading.kind === 'floor') await readFloor(reading.keys)
  else await readSse(new URL(reading.url), reading.ids)
  return 'reading'
}

process.on('message', (reading: Reading) => {
  void run(reading).then((result) => process.send?.(result))
})
process.send?.('ready')

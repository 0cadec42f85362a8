import { expect, test } from 'vitest'
import { ResponseWriter } from '../../../../../src/http/openai/responses/response-writer.ts'
import { frameOf } from '../../../../support/response-stream.ts'
import type { JobEvent } from '../../../../../src/job.ts'

const PING = ': ping\n'
const KEEPALIVE = /^: ping\nevent: keepalive\ndata: (.*)\n\n$/
const queued: JobEvent = { kind: 'status', status: 'queued', createdAt: 7_000 }
const delta: JobEvent = { kind: 'delta', id: '1-1', text: 'A' }

const writerOf = () => {
  const { id, echo } = frameOf()
  return new ResponseWriter({ id, echo, after: -1, errorOf: () => expect.unreachable() })
}
const pings = ({ ping }: ResponseWriter, count: number) => Array.from({ length: count }, ping)

test('every fourth ping of a silent response has data, with the number of its last event', () => {
  const writer = writerOf()
  writer.events([queued])
  const said = pings(writer, 8)
  const withData = said.map((text) => KEEPALIVE.exec(text)?.[1])
  const keepalive = JSON.stringify({ type: 'keepalive', sequence_number: 0 })
  const four = [undefined, undefined, undefined, keepalive]
  expect(withData).toEqual([...four, ...four])
  expect(said[0]).toBe(PING)
})

test('an event of the response begins the count again', () => {
  const writer = writerOf()
  writer.events([queued])
  pings(writer, 3)
  writer.events([delta])
  expect(pings(writer, 3)).toEqual([PING, PING, PING])
  expect(writer.ping()).toMatch(KEEPALIVE)
})

test('before its first event a response has no data: the SDKs want that one first', () => {
  expect(pings(writerOf(), 8)).toEqual(Array.from({ length: 8 }, () => PING))
})

import { expect, test } from 'vitest'
import { echoOf } from '../../../../../src/http/openai/responses/response-echo.ts'
import { ResponseWriter } from '../../../../../src/http/openai/responses/response-writer.ts'
import type { JobEvent } from '../../../../../src/job.ts'

const PING = ': ping\n'
const TOOLS = {
  tools: undefined,
  toolChoice: undefined,
  places: [],
  ignored: [],
  echo: { tools: [], tool_choice: 'auto' },
}
const STATUS: JobEvent = { kind: 'status', status: 'queued', createdAt: 1_700_000_000_999 }
const delta = (text: string): JobEvent => ({ kind: 'delta', id: '1-0', text })

const writerAfter = (after: number, background = true) =>
  new ResponseWriter({
    id: 'resp_1',
    echo: echoOf({ background }, 'm', TOOLS),
    after,
    errorOf: () => ({
      message: 'stopping',
      type: 'server_error',
      param: null,
      code: 'interrupted',
    }),
  })

const numbersIn = (text: string): number[] =>
  [...text.matchAll(/"sequence_number":(-?\d+)/g)].map(([, number]) => Number(number))

test('the first event has the moment the job was made, in seconds', () => {
  const text = writerAfter(-1).events([STATUS])
  expect(text).toMatch(/^event: response\.created\ndata: \{"type":"response\.created",/)
  expect(text).toContain('"created_at":1700000000')
  expect(numbersIn(text)).toEqual([0, 1])
})

test('a client gets what is behind the last event that it has', () => {
  const writer = writerAfter(1)
  // The headers go out with the first words of the body.
  expect(writer.events([STATUS])).toBe(PING)
  expect(numbersIn(writer.events([delta('a')]))[0]).toBe(2)
})

test('every fourth ping of a silent stream has data, with the number of the last event', () => {
  const writer = writerAfter(-1)
  writer.events([STATUS])
  const pings = [1, 2, 3, 4, 5].map(() => writer.ping())
  const keepalive = 'event: keepalive\ndata: {"type":"keepalive","sequence_number":1}\n\n'
  expect(pings).toEqual([PING, PING, PING, PING + keepalive, PING])
})

test('words begin the count of pings again, and a ping before the first event is none of data', () => {
  const writer = writerAfter(-1)
  const early = [1, 2, 3, 4].map(() => writer.ping())
  expect(new Set(early)).toEqual(new Set([PING]))
  writer.events([STATUS])
  for (const _ of [1, 2, 3]) writer.ping()
  writer.events([delta('a')])
  expect(writer.ping()).toBe(PING)
})

test('a fault is an event that ends the stream and not the response', () => {
  const writer = writerAfter(-1)
  writer.events([STATUS])
  expect(writer.failure(new Error('x'))).toBe(
    'event: error\ndata: {"type":"error","sequence_number":1,"code":"interrupted","message":"stopping","param":null}\n\n',
  )
})

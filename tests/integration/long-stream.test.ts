import { expect, inject, onTestFinished, test } from 'vitest'
import { KEPT_ENTRIES } from '../../src/gateway/event-log.ts'
import { RedisConnection } from '../../src/redis/connection.ts'
import { Deltas } from '../../src/redis/deltas.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents } from '../support/events.ts'
import { submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { deltasKey } from '../support/record.ts'
import { OPEN_VIEW, reader, succeeded, toldText } from '../support/stream.ts'
import type { SseEvent } from '../support/events.ts'

const ENTRIES = 120_000
const BATCH = 10_000
/** Every part of this text looks like every other: what is left of it is also how it begins. */
const PIECE = 'a '
const CONTENT = PIECE.repeat(ENTRIES)

/** So many entries at once: one command for each would take the test most of its time. */
const WRITE = `
local ids = {}
for i = 1, ARGV[4] do
  ids[i] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'text', ARGV[1], 'run', ARGV[2])
end
return ids
`

/** The deltas of one job, as the gateway reads them. */
async function readDeltas(key: string): Promise<Pick<Deltas, 'after'>> {
  const connection = new RedisConnection(inject('services').REDIS_URL, 'data', createLog('silent'))
  onTestFinished(() => connection.close())
  connection.open()
  await eventually('connected', () => connection.link.ready)
  const deltas = new Deltas(connection.client)
  return { after: (_key, id) => deltas.after(key, id) }
}

/** The text that a client has in the end, and how often it had to begin again. */
async function readToEnd(events: AsyncIterable<SseEvent>) {
  let pieces: string[] = []
  let [restarts, ends] = [0, 0]
  for await (const { event, data } of events) {
    if (event === 'restart') {
      restarts += 1
      pieces = []
    }
    if (event === 'delta') pieces.push(data.text ?? '')
    if (event === 'done') ends += 1
  }
  return { text: pieces.join(''), restarts, ends }
}

test('every reader of a stream whose head was cut has the right text in the end', async () => {
  const { gateway, redis, key, claim, answer } = await jobScene()
  await submit(gateway.url, { job_id: 'long', content: 'x' })
  const run = (await claim('long').run()) as string
  const deltas = deltasKey(key('long'))
  const source = await readDeltas(deltas)
  const ids: string[] = []
  const write = async (count: number): Promise<void> => {
    const options = { keys: [deltas], arguments: [PIECE, run, String(KEPT_ENTRIES), String(count)] }
    ids.push(...((await redis.eval(WRITE, options)) as string[]))
  }
  await write(BATCH)
  const slow = reader(source, undefined, run)
  await slow.read()
  while (ids.length < ENTRIES) await write(BATCH)
  const [first] = (await redis.xRange(deltas, '-', '+', { COUNT: 1 })) ?? []
  const cut = ids.indexOf(first?.id ?? '')
  expect(cut).toBeGreaterThan(BATCH)
  expect(ENTRIES - cut).toBeGreaterThanOrEqual(KEPT_ENTRIES)

  // Two clients had read from the start, and lost their connection: one of them long ago.
  const clients = [
    { name: 'slow', had: 0, client: slow },
    { name: 'behind what is gone', had: cut, client: reader(source, ids[cut - 1], run) },
    { name: 'behind what is left', had: cut + 1, client: reader(source, ids[cut], run) },
  ]
  for (const { name, had, client } of clients) {
    await client.read(OPEN_VIEW)
    await client.read(succeeded(CONTENT))
    const before = { kind: 'delta', id: '', text: PIECE.repeat(had) } as const
    const text = toldText([before, ...client.events])
    expect([name, text.length, text === CONTENT]).toEqual([name, CONTENT.length, true])
    expect([name, client.events.some(({ kind }) => kind === 'restart')]).toEqual([name, true])
  }

  await answer('long', { content: CONTENT, run })
  const { text, ...counts } = await readToEnd(await readEvents(`${gateway.url}/jobs/long/events`))
  expect([text.length, text === CONTENT]).toEqual([CONTENT.length, true])
  expect(counts).toEqual({ restarts: 1, ends: 1 })
}, 120_000)

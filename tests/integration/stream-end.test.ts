import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { endsOf } from '../support/deltas.ts'
import { eventually } from '../support/eventually.ts'
import { readEvents, textOf } from '../support/events.ts'
import { closedGate } from '../support/gate.ts'
import { ask, leavable, submit } from '../support/http-client.ts'
import { deltasKey } from '../support/record.ts'
import { startGateway, testScene } from '../support/scene.ts'
import { speaker, startWorker } from '../support/worker-stub.ts'
import type { Engine } from '../../worker-stub/engine.ts'
import type { SseEvent } from '../support/events.ts'
import type { Gate } from '../support/gate.ts'

const kinds = (events: readonly SseEvent[]) => events.map(({ event }) => event)

/** Says one piece, and the other when the gate is opened. Its worker can be stopped all the same. */
const inTwoPieces = (first: string, second: string, { opened }: Gate): Engine =>
  speaker(async (say, signal) => {
    say(first)
    await Promise.race([opened, once(signal, 'abort')])
    say(second)
    return first + second
  })

/** Two replicas, and an engine that says one word and waits until the test lets it go. */
async function scene() {
  const common = await testScene()
  const { settings, redis, key, stream, claim } = common
  const here = await startGateway(settings)
  const there = await startGateway(settings)
  const says = closedGate()
  const engine = inTwoPieces('one ', 'two', says)
  const deltas = (id: string): string => deltasKey(key(id))
  const length = (id: string) => redis.xLen(deltas(id))
  const streams = (id: string) => eventually('it streams', async () => (await length(id)) > 0)
  const read = (url: string, id: string) => readEvents(`${url}/jobs/${id}/events`)
  /** What workers write that have not heard of the end. */
  const writeLate = async (id: string): Promise<void> => {
    const run = (await claim(id).run()) as string
    await stream(id, { text: 'late', run })
    await stream(id, { text: 'late', run, attempt: '2' })
    await stream(id, { text: 'late' })
  }
  /** All events of a job that has ended, but for its status, as a replica tells them that knows nothing else of it. */
  const replayed = async (id: string): Promise<readonly SseEvent[]> => {
    const [first, second] = await Promise.all(
      [here, there].map(async ({ url }) => (await read(url, id)).all()),
    )
    expect(first).toEqual(second)
    return (first as readonly SseEvent[]).slice(1)
  }
  const ends = (id: string) => endsOf(redis, deltas(id))
  return { ...common, here, there, says, engine, length, streams, read, writeLate, replayed, ends }
}

/** The events of a live reader after its status, and where it has read its first delta. */
async function live(reader: AsyncIterable<SseEvent>) {
  const events: SseEvent[] = []
  const begun = closedGate()
  const over = (async () => {
    for await (const event of reader) {
      if (event.event !== 'status') events.push(event)
      if (event.event === 'delta') begun.open()
    }
  })()
  return { events, begun: begun.opened, over }
}

describe('a live reader, and a later reader on another replica,', () => {
  test('see the same of a job that a DELETE ended, whatever its worker still writes', async () => {
    const { settings, here, there, engine, streams, read, writeLate, replayed, ends } =
      await scene()
    const { body } = await submit(here.url, { content: 'x' })
    const id = body.job_id
    const reader = await live(await read(there.url, id))
    // It does not hear of the cancel, as workers do that do not look for it.
    await startWorker(settings, engine, 'redis://127.0.0.1:1')
    await streams(id)
    await reader.begun
    await ask(`${here.url}/jobs/${id}`, 'DELETE')
    await writeLate(id)
    await reader.over
    expect(kinds(reader.events)).toEqual(['delta', 'done'])
    expect(reader.events.at(-1)?.data.status).toBe('cancelled')
    expect(await replayed(id)).toEqual(reader.events)
    expect((await ends(id)).map(({ fields }) => fields.end)).toEqual(['cancelled'])
  })

  test('see the same of a job whose last client has left', async () => {
    const { settings, here, there, engine, streams, read, writeLate, replayed, ends } =
      await scene()
    await startWorker(settings, engine, 'redis://127.0.0.1:1')
    const { leave, left } = leavable(here.url, 'l-1')
    await streams('l-1')
    const reader = await live(await read(there.url, 'l-1'))
    await reader.begun
    leave()
    await left
    await reader.over
    await writeLate('l-1')
    expect(kinds(reader.events)).toEqual(['delta', 'done'])
    expect(reader.events.at(-1)?.data.status).toBe('cancelled')
    expect(await replayed('l-1')).toEqual(reader.events)
    expect((await ends('l-1')).map(({ fields }) => fields.end)).toEqual(['cancelled'])
  })

  test('see the same of a job that its worker answered, whatever another one still writes', async () => {
    const { settings, here, there, says, engine, streams, read, writeLate, replayed, ends } =
      await scene()
    await startWorker(settings, engine)
    const { body } = await submit(here.url, { content: 'x' })
    const id = body.job_id
    const reader = await live(await read(there.url, id))
    await streams(id)
    await reader.begun
    says.open()
    await reader.over
    await writeLate(id)
    expect(kinds(reader.events)).toEqual(['delta', 'delta', 'done'])
    expect(textOf(reader.events)).toBe('one two')
    expect(await replayed(id)).toEqual(reader.events)
    expect((await ends(id)).map(({ fields }) => fields.end)).toEqual(['succeeded'])
  })
})

test('an answer after a cancel changes nothing of what readers see', async () => {
  const { settings, redis, key, here, engine, says, streams, replayed, ends } = await scene()
  const { log } = await startWorker(settings, engine, 'redis://127.0.0.1:1')
  const { body } = await submit(here.url, { content: 'x' })
  const id = body.job_id
  await streams(id)
  await ask(`${here.url}/jobs/${id}`, 'DELETE')
  const [before, result] = [await replayed(id), await redis.get(key(id))]
  says.open()
  expect(await log.until('job.done')).toMatchObject({ written: 'answered' })
  expect(await replayed(id)).toEqual(before)
  expect(await redis.get(key(id))).toBe(result)
  expect(await ends(id)).toHaveLength(1)
})

test('of two workers of one run the first answer ends the stream, and the text is that answer', async () => {
  const { settings, channel, here, there, take, read, replayed, ends, length } = await scene()
  const { body } = await submit(here.url, { content: 'x' })
  const id = body.job_id
  const reader = await live(await read(there.url, id))
  const { content, properties } = await take()
  const [first, second] = [closedGate(), closedGate()]
  const send = () => channel.sendToQueue(settings.QUEUE_NAME, content, properties)
  const slow = { ...settings, WORKER_CONCURRENCY: '1' }
  const one = await startWorker(slow, inTwoPieces('the first ', 'answer', first))
  send()
  await eventually('the first streams', async () => (await length(id)) === 1)
  const two = await startWorker(slow, inTwoPieces('another ', 'answer', second))
  send()
  await eventually('the second streams', async () => (await length(id)) === 2)
  await eventually('both are seen', () => reader.events.length === 3)
  first.open()
  expect(await one.log.until('job.done')).toMatchObject({ written: 'written' })
  await reader.over
  second.open()
  expect(await two.log.until('job.done')).toMatchObject({ written: 'answered' })
  expect(kinds(reader.events)).toEqual(['delta', 'restart', 'delta', 'restart', 'delta', 'done'])
  expect(textOf(reader.events)).toBe('the first answer')
  expect(await replayed(id)).toEqual(reader.events)
  expect(await ends(id)).toHaveLength(1)
})

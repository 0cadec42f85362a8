import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readEvents, textOf } from '../support/events.ts'
import { ask, submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { isLong, named } from '../support/long.ts'
import { metricsOf } from '../support/metrics.ts'
import { startGatewayProgram } from '../support/program.ts'
import { startReplicas } from '../support/replicas.ts'
import { freshSettings, startGateway, startPlainWorker, testRedis } from '../support/scene.ts'
import type { SseEvent } from '../support/events.ts'

const KILLS = isLong ? 100 : 10
const JOBS = isLong ? 10_000 : 1_000
const CLIENTS = 5

/** Follows a job to its end on whichever replica is there, as a client that only knows the contract. */
async function follow(
  urls: readonly string[],
  id: string,
): Promise<{ events: SseEvent[]; breaks: number }> {
  const events: SseEvent[] = []
  let breaks = 0
  let lastId = ''
  for (let attempt = 0; ; attempt += 1) {
    try {
      const url = `${urls[attempt % urls.length]}/jobs/${id}/events`
      const reader = await readEvents(url, { headers: { 'last-event-id': lastId } })
      for await (const event of reader) {
        lastId = event.id ?? lastId
        events.push(event)
        if (event.event === 'done') return { events, breaks }
      }
    } catch {
      breaks += 1
      await delay(20)
    }
  }
}

test(`gateways are killed ${KILLS} times in the middle of streams: every joined text is the original, byte for byte`, async () => {
  const scene = await jobScene()
  const { urls, kill: killReplica, start } = await startReplicas(scene.settings, 2)
  const ids = await Promise.all(
    Array.from(
      { length: CLIENTS },
      async () => (await submit(scene.gateway.url, { content: 'x' })).body.job_id,
    ),
  )
  const originals = new Map(ids.map((id) => [id, '']))
  let isWriting = true
  const writing = Promise.all(
    ids.map(async (id) => {
      for (let number = 0; isWriting; number += 1) {
        const text = `${number} Wörter ✓🎉 `
        await scene.stream(id, { text })
        originals.set(id, originals.get(id) + text)
        await delay(5)
      }
    }),
  )
  const following = ids.map((id, index) =>
    follow([urls[index % 2], urls[(index + 1) % 2]] as string[], id),
  )
  for (let kill = 0; kill < KILLS; kill += 1) {
    const index = kill % 2
    await eventually(
      'a client follows on it',
      async () => (await pendingOf(urls[index])) > 0 || delay(5),
    )
    await killReplica(index)
    await start(index)
  }
  isWriting = false
  await writing
  await Promise.all(ids.map((id) => scene.answer(id, { content: originals.get(id) })))
  const followed = await Promise.all(following)
  expect(followed.map(({ events }) => textOf(events))).toEqual(ids.map((id) => originals.get(id)))
  const deltaIds = followed.map(({ events }) =>
    events.filter(({ event }) => event === 'delta').map(({ id }) => id),
  )
  expect(deltaIds.map((all) => new Set(all).size)).toEqual(deltaIds.map((all) => all.length))
  expect(followed.reduce((sum, { breaks }) => sum + breaks, 0)).toBeGreaterThanOrEqual(KILLS)
}, 400_000)

const pendingOf = async (url: string | undefined): Promise<number> =>
  (await metricsOf(String(url))).gateway_jobs_pending ?? 0

test('500 streams at once: nothing lost, nothing out of order, nothing left', async () => {
  const { gateway, stream, answer } = await jobScene()
  const ids = await Promise.all(
    Array.from(
      { length: 500 },
      async () => (await submit(gateway.url, { content: 'x' })).body.job_id,
    ),
  )
  const readers = await Promise.all(ids.map((id) => readEvents(`${gateway.url}/jobs/${id}/events`)))
  const reading = readers.map((reader) => reader.all())
  const texts = Array.from({ length: 20 }, (_, number) => `${number} `)
  for (const text of texts) await Promise.all(ids.map((id) => stream(id, { text })))
  await Promise.all(ids.map((id) => answer(id, { content: texts.join('') })))
  const all = await Promise.all(reading)
  const wrong = all.filter(
    (events) =>
      // As deltas, and not as the rest that comes with the result.
      events.filter(({ event, id }) => event === 'delta' && id !== '0-1').length !== texts.length ||
      textOf(events) !== texts.join('') ||
      events.at(-1)?.event !== 'done',
  )
  expect(wrong).toEqual([])
  await eventually('no request is held', () => gateway.load().pending === 0)
  await eventually('nothing is subscribed to', () => gateway.load().subscriptions === 1)
}, 60_000)

test('a reader that never reads costs no memory, and keeps no other client waiting', async () => {
  const scene = await jobScene()
  const gateway = await startGatewayProgram(scene.settings)
  const { body } = await submit(gateway.url, { content: 'x' })
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.pause()
  socket.write(`GET /jobs/${body.job_id}/events HTTP/1.1\r\nhost: x\r\n\r\n`)
  await eventually('it is held', async () => (await pendingOf(gateway.url)) === 1)
  const before = (await metricsOf(gateway.url)).process_resident_memory_bytes ?? 0
  const text = 'x'.repeat(100_000)
  // 100 MB, of which the stream keeps all and the gateway what fits into a socket.
  for (let number = 0; number < 1_000; number += 1) await scene.stream(body.job_id, { text })
  const other = await submit(gateway.url, { content: 'x' })
  await scene.answer(other.body.job_id, { content: 'fine' })
  const reader = await readEvents(`${gateway.url}/jobs/${other.body.job_id}/events`)
  expect(textOf(await reader.all())).toBe('fine')
  const after = (await metricsOf(gateway.url)).process_resident_memory_bytes ?? 0
  // A batch of 100 entries is 10 MB and is held a few times over; without back-pressure it would be all of them.
  expect((after - before) / 2 ** 20).toBeLessThan(100)
}, 60_000)

test(`${named(JOBS)} jobs are submitted and collected by held GETs on two replicas: ${named(JOBS)} outcomes, no request left`, async () => {
  const settings = freshSettings()
  const [first, second] = await Promise.all([startGateway(settings), startGateway(settings)])
  await startPlainWorker(settings, ({ content }) => `echo: ${content}`)
  const redis = await testRedis()
  let requests = 0
  const collect = async (index: number): Promise<boolean> => {
    const [to, from] = index % 2 === 0 ? [first, second] : [second, first]
    requests += 2
    const { body } = await submit(to.url, { content: String(index) }, { prefer: 'respond-async' })
    const held = await ask(`${from.url}/jobs/${body.job_id}`, 'GET', undefined, {
      prefer: 'wait=30',
    })
    return held.body.status === 'succeeded' && held.body.outcome?.content === `echo: ${index}`
  }
  let next = 0
  let right = 0
  const loop = async (): Promise<void> => {
    while (next < JOBS) if (await collect(next++)) right += 1
  }
  await Promise.all(Array.from({ length: 64 }, loop))
  expect({ right, requests }).toEqual({ right: JOBS, requests: 2 * JOBS })
  for (const gateway of [first, second]) {
    await eventually('no request waits', () => gateway.load().pending === 0)
    await eventually('only the probe is left', () => gateway.load().subscriptions === 1)
  }
  const subscribed = await redis.pubSubChannels(`__keyspace@0__:${settings.REDIS_PREFIX}:*`)
  expect(subscribed.every((channel) => channel.includes('@probe:'))).toBe(true)
}, 120_000)

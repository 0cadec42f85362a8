import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readEvents, textOf } from '../support/events.ts'
import { ask, submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { LinkProxy } from '../support/proxy.ts'
import { deltasKey } from '../support/record.ts'
import { isReady, startGateway } from '../support/scene.ts'
import type { SseEvent } from '../support/events.ts'

const kinds = (events: readonly SseEvent[]) => events.map(({ event }) => event)

async function streamScene() {
  const scene = await jobScene()
  const { body } = await submit(scene.gateway.url, { content: 'x' })
  const url = `${scene.gateway.url}/jobs/${body.job_id}/events`
  return { ...scene, id: body.job_id, url }
}

describe('GET /jobs/{id}/events', () => {
  test('tells the status, every delta as it comes, and exactly one end', async () => {
    const { id, url, gateway, stream, answer } = await streamScene()
    const reader = await readEvents(url)
    expect(reader.headers.get('content-type')).toContain('text/event-stream')
    expect(reader.headers.get('x-accel-buffering')).toBe('no')
    expect(reader.headers.get('x-job-id')).toBe(id)
    const seen: SseEvent[] = []
    const ids: string[] = []
    for await (const event of reader) {
      seen.push(event)
      // The next one is written when the last has arrived: none waits for another.
      if (event.event === 'status' && seen.length > 1) continue
      if (ids.length < 3) ids.push((await stream(id, { text: `t${ids.length} ` })) as string)
      else if (event.event !== 'done') await answer(id, { content: 't0 t1 t2 ' })
    }
    expect(kinds(seen)).toEqual(['status', 'status', 'delta', 'delta', 'delta', 'done'])
    expect(seen.slice(0, 2).map(({ data }) => data)).toEqual([
      { status: 'queued' },
      { status: 'running' },
    ])
    expect(seen.slice(2, 5).map((event) => event.id)).toEqual(ids)
    expect(textOf(seen)).toBe('t0 t1 t2 ')
    expect(seen.at(-1)).toMatchObject({
      id: 'done',
      data: { status: 'succeeded', outcome: { content: 't0 t1 t2 ' } },
    })
    await eventually('it is let go', () => gateway.load().pending === 0)
    await eventually('nothing is subscribed to', () => gateway.load().subscriptions === 1)
  })

  test('a job is running as soon as a delta is there, also for `GET /jobs/{id}` and a reader that resumes', async () => {
    const { id, url, gateway, stream } = await streamScene()
    const status = async () => (await ask(`${gateway.url}/jobs/${id}`, 'GET')).body.status
    expect(await status()).toBe('queued')
    const after = (await stream(id, { text: 'one ' })) as string
    expect(await status()).toBe('running')
    const reader = await readEvents(url, { headers: { 'last-event-id': after } })
    for await (const event of reader) {
      expect(event).toMatchObject({ event: 'status', data: { status: 'running' } })
      break
    }
  })

  test('a worker that does not stream gives one delta with all of it', async () => {
    const { id, url, answer } = await streamScene()
    await answer(id, { content: 'whole' })
    const events = await (await readEvents(url)).all()
    expect(kinds(events)).toEqual(['status', 'delta', 'done'])
    expect(textOf(events)).toBe('whole')
  })

  test('what a worker did not get to stream comes with the result', async () => {
    const { id, url, stream, answer } = await streamScene()
    await stream(id, { text: 'half ' })
    await answer(id, { content: 'half whole' })
    const events = await (await readEvents(url)).all()
    expect(kinds(events)).toEqual(['status', 'delta', 'delta', 'done'])
    expect(textOf(events)).toBe('half whole')
  })

  test('resumes behind any event on any replica, without gap or repeat, also after the end', async () => {
    const { id, settings, url, stream, answer } = await streamScene()
    const other = await startGateway(settings)
    for (const text of ['ein ', 'zwei ', '✓🎉 ']) await stream(id, { text })
    await stream(id, { text: 'again ', attempt: '2' })
    await stream(id, { text: 'late ' })
    await stream(id, { text: 'end', attempt: '2' })
    await answer(id, { content: 'again end.' })
    const all = await (await readEvents(url)).all()
    expect(kinds(all)).toEqual([
      'status',
      'delta',
      'delta',
      'delta',
      'restart',
      'delta',
      'delta',
      'delta',
      'done',
    ])
    expect(textOf(all)).toBe('again end.')
    const there = `${other.url}/jobs/${id}/events`
    for (const [index, { id: after }] of all.entries()) {
      const rest = after === undefined ? all.slice(1) : all.slice(index + 1)
      const headers = { 'last-event-id': after ?? '' }
      const resumed = await readEvents(there, { headers })
      const isDone = after === 'done'
      expect(resumed.status).toBe(isDone ? 204 : 200)
      const events = await resumed.all()
      expect(events.filter(({ event }) => event !== 'status')).toEqual(rest)
    }
    const byQuery = await (await readEvents(`${there}?after=${all.at(-3)?.id}`)).all()
    expect(kinds(byQuery)).toEqual(['status', 'delta', 'done'])
  })

  test('where what is missing cannot be told any more, it begins again', async () => {
    const { id, url, redis, key, stream, answer } = await streamScene()
    const first = await stream(id, { text: 'gone ' })
    await stream(id, { text: 'too' })
    await answer(id, { content: 'gone too' })
    await redis.del(deltasKey(key(id)))
    const events = await (
      await readEvents(url, { headers: { 'last-event-id': first as string } })
    ).all()
    expect(kinds(events)).toEqual(['status', 'restart', 'delta', 'done'])
    expect(textOf(events)).toBe('gone too')
  })

  test('deltas of another run, and of a worker that was given up, reach no reader', async () => {
    const { id, url, claim, stream, answer } = await streamScene()
    const ours = (await claim(id).run()) as string
    await stream(id, { text: 'foreign ', run: 'an earlier one' })
    await stream(id, { text: 'ours', run: ours })
    await answer(id, { content: 'ours', run: ours })
    expect(textOf(await (await readEvents(url)).all())).toBe('ours')
  })

  test.each([
    ['failed', { error: { type: 'E', message: 'm' } }],
    ['cancelled', { cancelled: true }],
  ])('a job that %s ends with that', async (status, result) => {
    const { id, url, stream, answer } = await streamScene()
    await stream(id, { text: 'half' })
    await answer(id, result)
    const events = await (await readEvents(url)).all()
    expect(kinds(events)).toEqual(['status', 'delta', 'done'])
    expect(events.at(-1)?.data.status).toBe(status)
  })

  test('what was streamed by an attempt whose answer is another one is void', async () => {
    const { id, url, stream, answer } = await streamScene()
    await stream(id, { text: 'Hello wor' })
    await answer(id, { content: 'Bonjour tout le monde' })
    const events = await (await readEvents(url)).all()
    expect(kinds(events)).toEqual(['status', 'delta', 'restart', 'delta', 'done'])
    expect(textOf(events)).toBe('Bonjour tout le monde')
    const resumed = await readEvents(url, { headers: { 'last-event-id': events[1]?.id ?? '' } })
    expect(textOf([events[1] as SseEvent, ...(await resumed.all())])).toBe('Bonjour tout le monde')
  })

  test('the readers of a job hear that its life has ended', async () => {
    const { gateway } = await jobScene()
    const { body } = await submit(gateway.url, { content: 'x', ttl: 1 })
    const events = await (await readEvents(`${gateway.url}/jobs/${body.job_id}/events`)).all()
    expect(kinds(events)).toEqual(['status', 'done'])
    expect(events.at(-1)?.data.status).toBe('expired')
  })

  test('a reader that has all of the last run gets all of a new one', async () => {
    const { gateway, answer } = await jobScene()
    await submit(gateway.url, { job_id: 'again', content: 'x' })
    await submit(gateway.url, { job_id: 'again', content: 'x' })
    const url = `${gateway.url}/jobs/again/events`
    const all = (await readEvents(url, { headers: { 'last-event-id': '0-1' } })).all()
    await answer('again', { content: 'new' })
    expect(kinds(await all)).toEqual(['status', 'restart', 'delta', 'done'])
  })

  test('a cancel ends it at once', async () => {
    const { id, url, gateway } = await streamScene()
    const reader = await readEvents(url)
    const all = reader.all()
    await ask(`${gateway.url}/jobs/${id}`, 'DELETE')
    expect((await all).at(-1)).toMatchObject({ event: 'done', data: { status: 'cancelled' } })
  })

  test('a new run of the id begins again for who follows it', async () => {
    const { gateway, claim, stream, answer } = await jobScene()
    await submit(gateway.url, { job_id: 'again', content: 'x' })
    const reader = await readEvents(`${gateway.url}/jobs/again/events`)
    const all = reader.all()
    await stream('again', { text: 'of the first' })
    // As if its claim had been released, and a client had asked again.
    await claim('again').remove()
    await submit(gateway.url, { job_id: 'again', content: 'y' })
    await answer('again', { content: 'of the second' })
    const events = await all
    expect(kinds(events)).toContain('restart')
    expect(textOf(events)).toBe('of the second')
  })

  test('a client that leaves is let go, and its job keeps running', async () => {
    const { id, url, gateway } = await streamScene()
    const reader = await readEvents(url)
    await eventually('it is held', () => gateway.load().pending === 1)
    reader.leave()
    await eventually('it is let go', () => gateway.load().pending === 0)
    await eventually('nothing is subscribed to', () => gateway.load().subscriptions === 1)
    expect((await ask(`${gateway.url}/jobs/${id}`, 'GET')).body.status).toBe('queued')
  })

  test('an unknown id is a 404, an event id of no job a 422', async () => {
    const { gateway, url } = await streamScene()
    expect((await ask(`${gateway.url}/jobs/unknown/events`, 'GET')).status).toBe(404)
    const bad = await ask(url, 'GET', undefined, { 'last-event-id': 'x y' })
    expect(bad.body.detail).toMatchObject([{ loc: ['header', 'last-event-id'] }])
    const head = await fetch(url, { method: 'HEAD' })
    expect(head.status).toBe(200)
    await eventually('no request is held', () => gateway.load().pending === 0)
  })

  test('requests sent in one go on a connection that closes are let go, all of them', async () => {
    const { gateway, id } = await streamScene()
    const { port, host } = new URL(gateway.url)
    const socket = connect(Number(port), '127.0.0.1')
    const head = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${more}\r\n`
    socket.write(head(`/jobs/${id}`, 'prefer: wait=9\r\n') + head(`/jobs/${id}/events`))
    await eventually('both are held', () => gateway.load().pending === 2)
    socket.destroy()
    await eventually('both are let go', () => gateway.load().pending === 0)
    await eventually('nothing is subscribed to', () => gateway.load().subscriptions === 1)
  })

  test('a stop is not held up by a reader that takes its time', async () => {
    const { settings, id, stream } = await streamScene()
    const stopping = await startGateway(settings)
    for (let number = 0; number < 200; number += 1) await stream(id, { text: 'x'.repeat(100_000) })
    const socket = connect(Number(new URL(stopping.url).port), '127.0.0.1')
    socket.pause()
    socket.write(`GET /jobs/${id}/events HTTP/1.1\r\nhost: x\r\n\r\n`)
    await eventually('it is held', () => stopping.load().pending === 1)
    const started = performance.now()
    await stopping.close(100)
    // Of what is in its way nothing is timed: a grace of 0.1 s, and 2 s for connections to close.
    expect(performance.now() - started).toBeLessThan(10_000)
    socket.destroy()
  })

  test('where results cannot be received, no client has to wait for them', async () => {
    const { settings, gateway, id } = await streamScene()
    const proxy = new LinkProxy(settings.REDIS_URL as string)
    onTestFinished(() => proxy.close())
    const REDIS_URL = await proxy.open()
    const other = await startGateway({ ...settings, REDIS_URL })
    proxy.cut()
    proxy.faults.toServer.blackHole = true
    await eventually('it knows', async () => !(await isReady(other.url)))
    await eventually('the blip is over', async () => {
      const { status } = await ask(`${other.url}/jobs/${id}/events`, 'GET')
      return status === 503
    })
    expect((await ask(`${gateway.url}/jobs/${id}`, 'GET')).status).toBe(200)
  })

  test('a stop tells who follows to come again', async () => {
    const { settings, id, stream } = await streamScene()
    const stopping = await startGateway(settings)
    const reader = await readEvents(`${stopping.url}/jobs/${id}/events`)
    const all = reader.all()
    await stream(id, { text: 'half' })
    await eventually('it is held', () => stopping.load().pending === 1)
    await stopping.close(100)
    const events = await all
    expect(events.at(-1)).toMatchObject({
      event: 'error',
      data: { code: 'interrupted', job_id: id },
    })
    expect(events.at(-1)).not.toHaveProperty('id')
  })
})

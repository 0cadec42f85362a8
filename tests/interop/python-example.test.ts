import { describe, expect, test } from 'vitest'
import { readEvents } from '../support/events.ts'
import { ask as request, submit } from '../support/http-client.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { ODD_TEXTS, ask, askAll, saidOtherwise, tally } from './support/ask.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { startRealWorker } from './support/worker.ts'
import type { SseEvent } from '../support/events.ts'
import type { Settings } from '../support/scene.ts'

const environment = environmentOf('python-example')

/** The gateway first: it declares the queue, and the example takes it as it is. */
async function scene(more: Settings = {}, ofWorker: Settings = {}) {
  const settings = { ...freshSettings(), ...more }
  const { url } = await startGateway(settings)
  const startWorker = (of: Settings = {}) =>
    startRealWorker(environment, ['-m', 'example_worker'], { ...settings, ...of }, 'as the example')
  const worker = await startWorker(ofWorker)
  return { url, startWorker, worker }
}

const begin = async (url: string, content: string): Promise<string> =>
  (await submit(url, { content })).body.job_id

const brief = ({ event, data }: SseEvent): string =>
  event === 'delta' ? `+${data.text}` : event === 'status' ? `${data.status}` : event

describe.skipIf(isMissing(environment))(
  `the example of a worker in Python${whyMissing(environment)}`,
  () => {
    test('answers each request with its own text, and a failure with its words', async () => {
      const { url, worker } = await scene()
      const contents = [...ODD_TEXTS, 'fail: out of memory', 'and the next']
      const asked = await askAll(url, contents, 4)
      worker.count(asked)
      expect(tally(asked)).toEqual({ 200: ODD_TEXTS.length + 1, '502 worker_failed': 1 })
      expect(saidOtherwise(asked, 'RuntimeError')).toEqual([])
    })

    test('streams each piece in order', async () => {
      const { url } = await scene()
      const id = await begin(url, 'one two  three')
      const events = await (await readEvents(`${url}/jobs/${id}/events`)).all()
      const told = events.map(brief).filter((text) => text !== 'queued' && text !== 'running')
      expect(told).toEqual(['+echo: ', '+one ', '+two  ', '+three', 'done'])
      expect(events.at(-1)?.data.outcome).toMatchObject({ content: 'echo: one two  three' })
    })

    test('stops a cancelled job, and never begins one that was cancelled before', async () => {
      const { url, worker } = await scene()
      const running = await begin(url, 'endless: running')
      const waiting = await begin(url, 'waiting')
      for await (const { event } of await readEvents(`${url}/jobs/${running}/events`)) {
        if (event === 'delta') break
      }
      for (const id of [waiting, running]) await request(`${url}/jobs/${id}`, 'DELETE')
      await worker.log.until('model.closed')
      // With a prefetch of 1 it begins only when what came before is acknowledged.
      expect((await ask(url, 'after it')).outcome).toBe('200')
      expect(worker.started()).toEqual(['endless: running', 'after it'])
      for (const id of [waiting, running]) {
        const { body } = await request(`${url}/jobs/${id}`, 'GET')
        expect(body).toMatchObject({ status: 'cancelled', outcome: null })
      }
    })

    test('does not run a job again whose worker died after it had written the result', async () => {
      const { url, worker, startWorker } = await scene({}, { DIES: 'true' })
      expect((await ask(url, 'once')).outcome).toBe('200')
      await worker.ended
      const next = await startWorker()
      expect((await ask(url, 'after it')).outcome).toBe('200')
      expect(next.started()).toEqual(['after it'])
    })

    test.each([
      ['classic', {}],
      ['quorum', { QUEUE_TYPE: 'quorum' }],
    ])('is replaced after a kill -9 by another one, which begins again (%s)', async (_, more) => {
      const { url, worker, startWorker } = await scene(more)
      const id = await begin(url, 'endless: one')
      const events: SseEvent[] = []
      let next: typeof worker | undefined
      for await (const event of await readEvents(`${url}/jobs/${id}/events`)) {
        events.push(event)
        const pieces = events.filter((one) => one.event === 'delta')
        if (pieces.length < 2 || next !== undefined) continue
        await worker.end('SIGKILL')
        next = await startWorker({ ENDS: 'true' })
      }
      const told = events.map(brief).filter((text) => text !== 'queued' && text !== 'running')
      const at = told.indexOf('restart')
      expect(new Set(told.slice(0, at))).toEqual(new Set(['+on and ']))
      expect(told.slice(at)).toEqual(['restart', '+echo: ', '+endless: ', '+one', 'done'])
      expect(events.at(-1)?.data).toMatchObject({
        status: 'succeeded',
        outcome: { content: 'echo: endless: one' },
      })
    })
  },
)

import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-client.ts'
import { metricsOf } from '../support/metrics.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { ask, askAll, tally, unique } from './support/ask.ts'
import { answersAll } from './support/basics.ts'
import { answerFromCapture } from './support/captured.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { startRealWorker } from './support/worker.ts'
import type { Settings } from '../support/scene.ts'

test('what a protollm 1.0 worker once wrote is understood', async () => {
  const keyOf = (key: string, { REDIS_PREFIX }: Settings): string =>
    key.replace('llm-api', String(REDIS_PREFIX))
  const answer = await answerFromCapture('protollm-v1', keyOf)
  expect(answer).toMatchObject({
    status: 200,
    body: { content: 'Artificial Intelligence is… «ИИ»\n' },
  })
})

/** How each version declares its queue. */
const VERSIONS: Record<string, Settings> = {
  '1.0.0': {},
  '1.0.5': { QUEUE_DURABLE: 'true', QUEUE_MAX_PRIORITY: '5' },
}

for (const [version, declaration] of Object.entries(VERSIONS)) {
  const environment = environmentOf(`protollm-worker-${version}`)
  describe.skipIf(isMissing(environment))(
    `protollm-worker ${version}${whyMissing(environment)}`,
    () => {
      const programOf = (settings: ReturnType<typeof freshSettings>) => () =>
        startRealWorker(environment, ['-m', 'protollm_worker_1_0'], settings)

      async function scene(more: Settings = {}) {
        const settings = { ...freshSettings(), ...declaration, ...more }
        const startWorker = programOf(settings)
        const worker = await startWorker()
        const { url } = await startGateway(settings)
        return { worker, startWorker, url }
      }

      answersAll(scene)

      test('the gateway may come first: both declare the queue alike', async () => {
        const settings = { ...freshSettings(), ...declaration }
        const { url } = await startGateway(settings)
        const worker = await programOf(settings)()
        const asked = [await ask(url, 'anything')]
        worker.count(asked)
        expect(tally(asked)).toEqual({ 200: 1 })
        // Its models drop what they do not know.
        const meta = { top_p: 0.9, temperature: 0.5, response_format: { type: 'text' }, none: null }
        const more = await post(url, '/generate', { job_id: 'more', meta, content: 'more' })
        expect({ status: more.status, body: more.body }).toEqual({
          status: 200,
          body: { content: 'echo: more' },
        })
      })

      test('a model that raises ends its worker: that job is a 504, and the next worker serves on', async () => {
        const { worker, startWorker, url } = await scene({ TIMEOUT: '2' })
        const asked = [await ask(url, 'fail: out of memory')]
        await worker.ended
        const next = await startWorker()
        asked.push(await ask(url, 'anything else'))
        next.count(asked)
        expect(asked.map(({ outcome }) => outcome)).toEqual(['504 timed_out', '200'])
      })

      test('a killed worker’s backlog ends as 504, and all else is answered', async () => {
        const { worker, startWorker, url } = await scene({ TIMEOUT: '3' })
        const clients = 16
        let answered = 0
        const contents = [...unique(60), 'sleep:60 until killed', ...unique(139)]
        const asking = askAll(url, contents, clients, () => (answered += 1))
        await worker.begun('sleep:60')
        await eventually('every client waits for this worker', async () => {
          const { 'gateway_publish_total{result="confirmed"}': published } = await metricsOf(url)
          return published === answered + clients
        })
        await worker.end('SIGKILL')
        const next = await startWorker()
        const asked = await asking
        next.count(asked)
        expect(tally(asked)).toEqual({ 200: 200 - clients, '504 timed_out': clients })
      })
    },
  )
}

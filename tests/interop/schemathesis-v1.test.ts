import { describe, expect, test } from 'vitest'
import { startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { freshSettings } from '../support/scene.ts'
import { isMissing, whyMissing } from './support/environment.ts'
import { report } from './support/report.ts'
import { FINDS_WITHIN_MS, environment, findsNothing } from './support/schemathesis.ts'
import type { EngineJob } from '../support/engine-worker.ts'

const message = { role: 'assistant', content: 'fine' }
const BODY = JSON.stringify({
  choices: [{ index: 0, message, finish_reason: 'stop' }],
  data: [],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})
const CHUNK = JSON.stringify([{ choices: [{ index: 0, delta: message, finish_reason: null }] }])

/** Streams where it was asked to. One in eight streams stays open, so that it can be cancelled. */
function worker() {
  let streamed = 0
  return async ({ body, say, end }: EngineJob): Promise<void> => {
    if (JSON.parse(body).stream === true) {
      streamed += 1
      await say({ text: 'fine', chunks: CHUNK })
      if (streamed % 8 === 0) return
    }
    await end({ kind: 'succeeded', content: 'fine', body: BODY })
  }
}

/** That nothing is found says little of a route that only ever refuses. */
const EACH_IS_ANSWERED = [
  'POST /v1/chat/completions',
  'POST /v1/responses',
  'GET /v1/responses/:id',
  'DELETE /v1/responses/:id',
  'POST /v1/responses/:id/cancel',
  'GET /v1/responses/:id/input_items',
]

describe.skipIf(isMissing(environment))(`Schemathesis${whyMissing(environment)}`, () => {
  test(
    'it finds nothing under /v1, where there are models',
    async () => {
      // A stream that stays open ends within the time that a client of the test waits.
      const settings = { ...freshSettings(), TIMEOUT: '2', JOB_TTL_S: '2' }
      await startEngineWorker(settings, worker())
      const { url, log } = await startOpenAiGateway(settings)
      const { generated, covered } = await findsNothing(url, ['--include-path-regex', '^/v1/'], 500)
      expect(generated).toBeGreaterThan(500)
      const answers = log.named('http.request')
      const answered = answers.filter(({ status }) => status === 200)
      const routes = answered.map(({ method, route }) => `${String(method)} ${String(route)}`)
      expect([...new Set(routes)]).toEqual(expect.arrayContaining(EACH_IS_ANSWERED))
      report({
        kind: 'spoken',
        program: 'Schemathesis, under /v1',
        runsOn: `/openapi.json, every check and phase, ${covered} links covered`,
        unit: 'requests',
        outcomes: { 'nothing found': generated, 'answered with 200': answered.length },
      })
    },
    FINDS_WITHIN_MS,
  )
})

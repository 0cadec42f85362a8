import { describe, expect, test } from 'vitest'
import { freshSettings, startGateway } from '../support/scene.ts'
import { startWorker } from '../support/worker-stub.ts'
import { isMissing, whyMissing } from './support/environment.ts'
import { report } from './support/report.ts'
import { FINDS_WITHIN_MS, environment, findsNothing, schemathesis } from './support/schemathesis.ts'

describe.skipIf(isMissing(environment))(`Schemathesis${whyMissing(environment)}`, () => {
  test(
    'with every check and phase, along the links too, it finds nothing',
    async () => {
      const fresh = freshSettings()
      const settings = { ...fresh, ALLOWED_QUEUES: `${fresh.QUEUE_NAME}-too` }
      for (const QUEUE_NAME of [settings.QUEUE_NAME, settings.ALLOWED_QUEUES]) {
        await startWorker({ ...settings, QUEUE_NAME })
      }
      const { url } = await startGateway(settings)
      // Those routes need a worker that announces models: `schemathesis-v1.test.ts`.
      const withoutV1 = ['--exclude-path-regex', '^/v1/']
      const { text: version } = await schemathesis(['--version'])
      const { generated, covered } = await findsNothing(url, withoutV1, 1_000)
      expect(generated).toBeGreaterThan(1_000)
      report({
        kind: 'spoken',
        program: version.trim(),
        runsOn: `/openapi.json, every check and phase, ${covered} links covered`,
        unit: 'requests',
        outcomes: { 'nothing found': generated },
      })
    },
    FINDS_WITHIN_MS,
  )
})

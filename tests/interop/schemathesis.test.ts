import { describe, expect, test } from 'vitest'
import { freshSettings, startGateway } from '../support/scene.ts'
import { startWorker } from '../support/worker-stub.ts'
import { isMissing, whyMissing } from './support/environment.ts'
import { report } from './support/report.ts'
import { ENDS_WITHIN_MS, environment, schemathesis } from './support/schemathesis.ts'

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
      const { text, code } = await schemathesis(['run', `${url}/openapi.json`, ...withoutV1])
      expect(code === 0 ? 'nothing found' : text).toBe('nothing found')
      const [, generated] = /(\d+) generated/.exec(text) ?? []
      const [, covered] = /(\d+) covered/.exec(text) ?? []
      expect(Number(generated)).toBeGreaterThan(1_000)
      report({
        kind: 'spoken',
        program: version.trim(),
        runsOn: `/openapi.json, every check and phase, ${String(covered)} links covered`,
        unit: 'requests',
        outcomes: { 'nothing found': Number(generated) },
      })
    },
    ENDS_WITHIN_MS,
  )
})

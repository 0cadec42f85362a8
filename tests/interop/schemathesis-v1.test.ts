import { describe, expect, test } from 'vitest'
import { startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { freshSettings } from '../support/scene.ts'
import { isMissing, whyMissing } from './support/environment.ts'
import { FINDS_WITHIN_MS, environment, findsNothing } from './support/schemathesis.ts'

describe.skipIf(isMissing(environment))(`Schemathesis${whyMissing(environment)}`, () => {
  test(
    'it finds nothing under /v1, where there are models',
    async () => {
      const settings = freshSettings()
      await startEngineWorker(settings, ({ end }) =>
        end({ kind: 'succeeded', content: 'fine', body: '{"choices":[],"data":[]}' }),
      )
      const { url } = await startOpenAiGateway(settings)
      const { generated } = await findsNothing(url, ['--include-path-regex', '^/v1/'], 500)
      expect(generated).toBeGreaterThan(500)
    },
    FINDS_WITHIN_MS,
  )
})

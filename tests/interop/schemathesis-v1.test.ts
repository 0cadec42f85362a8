import { describe, expect, test } from 'vitest'
import { startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { freshSettings } from '../support/scene.ts'
import { isMissing, whyMissing } from './support/environment.ts'
import { ENDS_WITHIN_MS, environment, schemathesis } from './support/schemathesis.ts'

describe.skipIf(isMissing(environment))(`Schemathesis${whyMissing(environment)}`, () => {
  test(
    'it finds nothing under /v1, where there are models',
    async () => {
      const settings = freshSettings()
      await startEngineWorker(settings, ({ end }) =>
        end({ kind: 'succeeded', content: 'fine', body: '{"choices":[],"data":[]}' }),
      )
      const { url } = await startOpenAiGateway(settings)
      const only = ['--include-path-regex', '^/v1/']
      const { text, code } = await schemathesis(['run', `${url}/openapi.json`, ...only])
      expect(code === 0 ? 'nothing found' : text).toBe('nothing found')
      const [, generated] = /(\d+) generated/.exec(text) ?? []
      expect(Number(generated)).toBeGreaterThan(500)
    },
    ENDS_WITHIN_MS,
  )
})

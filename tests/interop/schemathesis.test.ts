import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../../dev/program.ts'
import { startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { startWorker } from '../support/worker-stub.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { report } from './support/report.ts'

const environment = environmentOf('schemathesis-4')
/** Above its own `max-time`, which the last sequence may overrun. */
const ENDS_WITHIN_MS = 300_000

/** All that it says, and how it ended. */
async function schemathesis(args: readonly string[]): Promise<{ text: string; code: unknown }> {
  const python = 'python' in environment ? environment.python : ''
  const config = ['--config-file', 'tests/interop/schemathesis.toml']
  const child = spawn(join(dirname(python), 'schemathesis'), [...config, ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      PYTHONDONTWRITEBYTECODE: '1',
      HYPOTHESIS_STORAGE_DIRECTORY: join(ROOT, '.cache/hypothesis'),
      NO_COLOR: '1',
      COLUMNS: '120',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  }
  const code = await new Promise((resolve) => child.once('exit', resolve))
  return { text, code }
}

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
      const { text: version } = await schemathesis(['--version'])
      const { text, code } = await schemathesis(['run', `${url}/openapi.json`])
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

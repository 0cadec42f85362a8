import { afterAll, beforeAll } from 'vitest'
import { readConfig } from '../../../src/config.ts'
import { startServer } from '../../../src/server.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { startProgram } from '../../../dev/program.ts'
import { programOf } from '../../support/bundle.ts'
import { eventually } from '../../support/eventually.ts'
import { modelsOf } from '../../support/openai.ts'
import { freshSettings, isReady } from '../../support/scene.ts'
import { startRecorder } from './recorder.ts'
import { startUpstream } from './scripted-upstream.ts'
import type { Settings } from '../../support/scene.ts'
import type { Recorder } from './recorder.ts'
import type { ScriptedUpstream } from './scripted-upstream.ts'

/** A gateway, a worker and the scripted server that the worker asks. */
export interface Stack {
  readonly url: string
  readonly settings: Settings & { QUEUE_NAME: string }
  readonly upstream: ScriptedUpstream
  /** The address of the gateway for one client, whose requests are written down. */
  recorder(): Promise<Recorder>
}

/** One for all tests of a file. It is there when the tests run. */
export function stackOfFile(more: Settings = {}): () => Stack {
  const closers: (() => unknown)[] = []
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(more, closers)
  }, 60_000)
  afterAll(async () => {
    for (const close of closers.toReversed()) await close()
  })
  return () => stack
}

async function startStack(more: Settings, closers: (() => unknown)[]): Promise<Stack> {
  const upstream = await startUpstream()
  closers.push(() => upstream.close())
  const settings = {
    ...freshSettings(),
    TIMEOUT: '60',
    ENGINE: 'openai',
    INNER_LLM_URL: upstream.url,
    ...more,
  }
  const worker = startProgram(programOf('worker-stub/main.ts'), settings)
  closers.push(() => worker.end('SIGKILL'))
  await worker.log.until('worker.consuming')
  const queue = settings.QUEUE_NAME
  const models = modelsOf({ chat: { queue, name: 'chat' }, embed: { queue, name: 'embed' } })
  const config = readConfig(settings)
  const server = await startServer(config, createLog('silent'), createMetrics(), models)
  closers.push(() => server.close(0))
  await eventually('the gateway is ready', () => isReady(server.url))
  return {
    url: server.url,
    settings,
    upstream,
    recorder: async () => {
      const recorder = await startRecorder(server.url)
      closers.push(() => recorder.close())
      return recorder
    },
  }
}

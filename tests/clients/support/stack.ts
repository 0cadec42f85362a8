import { afterAll, beforeAll } from 'vitest'
import { startProgram } from '../../../dev/program.ts'
import { programOf } from '../../support/bundle.ts'
import { eventually } from '../../support/eventually.ts'
import { freshSettings, isReady } from '../../support/scene.ts'
import { startRecorder } from './recorder.ts'
import { startUpstream } from './scripted-upstream.ts'
import type { Program } from '../../../dev/program.ts'
import type { Settings } from '../../support/scene.ts'
import type { Recorder } from './recorder.ts'
import type { ScriptedUpstream } from './scripted-upstream.ts'

/** The programs of gateway and worker, and the scripted server that the worker asks. */
export interface Stack {
  readonly url: string
  /** Another replica of the gateway is one with the same settings. */
  readonly settings: Settings
  readonly upstream: ScriptedUpstream
  /** The address of the gateway for one client, whose requests are written down. */
  recorder(): Promise<Recorder>
}

/** Stacks by name with their settings, for all tests of a file. They are there when the tests run. */
export function stacksOfFile<Name extends string>(
  settings: Readonly<Record<Name, Settings>>,
): (name: Name) => Stack {
  const closers: (() => unknown)[] = []
  const stacks = new Map<string, Stack>()
  beforeAll(async () => {
    const starts = Object.entries<Settings>(settings).map(async ([name, more]) => {
      stacks.set(name, await startStack(more, closers))
    })
    await Promise.all(starts)
  }, 60_000)
  afterAll(async () => {
    for (const close of closers.toReversed()) await close()
  })
  return (name) => {
    const stack = stacks.get(name)
    if (stack === undefined) throw new Error(`the stack ${name} does not run`)
    return stack
  }
}

/** One stack with the usual settings. */
export function stackOfFile(): () => Stack {
  const stacks = stacksOfFile({ usual: {} })
  return () => stacks('usual')
}

async function startStack(more: Settings, closers: (() => unknown)[]): Promise<Stack> {
  const upstream = await startUpstream()
  closers.push(() => upstream.close())
  const engine = { ENGINE: 'openai', INNER_LLM_URL: upstream.url }
  const settings = { ...freshSettings(), TIMEOUT: '60', ...engine, ...more }
  const start = (entry: string): Program => {
    const program = startProgram(programOf(entry), settings)
    closers.push(() => program.end('SIGKILL'))
    return program
  }
  const gateway = start('src/main.ts')
  start('worker-stub/main.ts')
  const { url: address } = await gateway.log.until('gateway.listening')
  const url = String(address)
  await eventually('the gateway is ready', () => isReady(url))
  await eventually('the worker has announced its models', () => isServed(url))
  return {
    url,
    settings,
    upstream,
    recorder: async () => {
      const recorder = await startRecorder(url)
      closers.push(() => recorder.close())
      return recorder
    },
  }
}

async function isServed(url: string): Promise<boolean> {
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: object[] }
  return data.length > 0
}

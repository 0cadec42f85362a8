import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { ROOT } from '../../../dev/program.ts'
import { programOf } from '../../support/bundle.ts'
import { eventually } from '../../support/eventually.ts'
import { isReady } from '../../support/scene.ts'
import type { Settings } from '../../support/scene.ts'

export interface Output {
  /** All it has written, to either stream, byte by byte. */
  readonly text: () => string
  /** The lines of its log. */
  readonly lines: readonly string[]
  readonly ended: Promise<number | null>
}

/** One of our programs, and everything it says: what is no line of its log as well. Killed after the test. */
export function startAndListen(entry: string, settings: Settings): Output {
  const child = spawn(process.execPath, [programOf(entry)], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  }
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { text: () => text, lines, ended }
}

/** As soon as it listens, ready or not. */
export async function urlOf(gateway: Output): Promise<string> {
  const line = await eventually('it listens', () =>
    gateway.lines.find((text) => text.includes('"gateway.listening"')),
  )
  return (JSON.parse(line) as { url: string }).url
}

/** The gateway, ready. */
export async function gatewayOutput(
  settings: Settings,
): Promise<Output & { readonly url: string }> {
  const gateway = startAndListen('src/main.ts', settings)
  const url = await urlOf(gateway)
  await eventually('it is ready', () => isReady(url))
  return { ...gateway, url }
}

/** The worker stub, taking jobs. */
export async function workerOutput(settings: Settings): Promise<Output> {
  const worker = startAndListen('worker-stub/main.ts', settings)
  await eventually('it takes jobs', () => worker.text().includes('"worker.consuming"'))
  return worker
}

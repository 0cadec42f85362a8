import { spawn } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { eventually } from './eventually.ts'
import { Lines } from './lines.ts'
import { isReady } from './scene.ts'
import type { Settings } from './scene.ts'

const root = new URL('../..', import.meta.url).pathname

export interface Program {
  readonly pid: number
  readonly log: Lines
  /** Sends a signal and waits for the end; returns the exit code, or the signal that ended it. */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/** One of our programs as a process of its own, from its source. Killed after the test. */
export function startProgram(entry: string, settings: Settings): Program {
  const child = spawn(process.execPath, ['--import', 'tsx', entry], {
    cwd: root,
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const log = new Lines()
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => log.write(text))
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 0))
  })
  const end = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<number | NodeJS.Signals> => {
    child.kill(signal)
    return ended
  }
  onTestFinished(async () => {
    await end()
  })
  return { pid: child.pid as number, log, end }
}

export interface GatewayProgram extends Program {
  readonly url: string
}

/** Resolves when it is ready to take jobs. */
export async function startGatewayProgram(settings: Settings): Promise<GatewayProgram> {
  const program = startProgram('src/main.ts', settings)
  const { url } = await program.log.until('gateway.listening')
  await eventually('the gateway process is ready', () => isReady(String(url)))
  return { ...program, url: String(url) }
}

/** Resolves when it takes jobs from the queue. */
export async function startWorkerProgram(settings: Settings): Promise<Program> {
  const program = startProgram('worker-stub/main.ts', settings)
  await program.log.until('worker.consuming')
  return program
}

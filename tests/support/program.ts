import { onTestFinished } from 'vitest'
import { startProgram as start } from '../../dev/program.ts'
import { programOf } from './bundle.ts'
import { eventually } from './eventually.ts'
import { isReady } from './scene.ts'
import type { Program } from '../../dev/program.ts'
import type { Settings } from './scene.ts'

/** One of our programs as a process of its own. Killed after the test. */
export function startProgram(entry: string, settings: Settings): Program {
  const program = start(programOf(entry), settings)
  onTestFinished(async () => {
    await program.end('SIGKILL')
  })
  return program
}

export interface GatewayProgram extends Program {
  readonly url: string
}

/** Resolves when it is ready to take jobs. `entry`: another version's. */
export async function startGatewayProgram(
  settings: Settings,
  entry = 'src/main.ts',
): Promise<GatewayProgram> {
  const program = startProgram(entry, settings)
  const { url } = await program.log.until('gateway.listening')
  await eventually('the gateway process is ready', () => isReady(String(url)))
  return { ...program, url: String(url) }
}

/** Resolves when it takes jobs from the queue. `entry`: another version's. */
export async function startWorkerProgram(
  settings: Settings,
  entry = 'worker-stub/main.ts',
): Promise<Program> {
  const program = startProgram(entry, settings)
  await program.log.until('worker.consuming')
  return program
}

import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ROOT } from '../../../dev/program.ts'
import { environmentOf } from './environment.ts'

export const environment = environmentOf('schemathesis-4')
/** Above its own `max-time`, which the last sequence may overrun. */
export const ENDS_WITHIN_MS = 300_000

/** All that it says, and how it ended. */
export async function schemathesis(
  args: readonly string[],
): Promise<{ text: string; code: unknown }> {
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

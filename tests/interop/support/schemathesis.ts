import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { ROOT } from '../../../dev/program.ts'
import { environmentOf } from './environment.ts'

export const environment = environmentOf('schemathesis-4')

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

/** On a busy machine one run within `max-time` sends fewer requests. Then others follow, with other seeds. */
const MAX_RUNS = 3
/** For each run, above `max-time`, which the last sequence may overrun. */
export const FINDS_WITHIN_MS = MAX_RUNS * 180_000

/** Runs until more than `wanted` requests were made, or often enough. Fails with what was found; resolves with what the runs said. */
export async function findsNothing(
  url: string,
  args: readonly string[],
  wanted: number,
): Promise<{ readonly generated: number; readonly covered: number }> {
  let generated = 0
  let covered = 0
  for (let seed = 1; seed <= MAX_RUNS && generated <= wanted; seed += 1) {
    const all = ['run', `${url}/openapi.json`, '--seed', String(seed), ...args]
    const { text, code } = await schemathesis(all)
    expect(code === 0 ? 'nothing found' : text).toBe('nothing found')
    generated += countIn(text, /(\d+) generated/)
    covered = Math.max(covered, countIn(text, /(\d+) covered/))
  }
  return { generated, covered }
}

const countIn = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)

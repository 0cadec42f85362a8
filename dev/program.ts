import { spawn } from 'node:child_process'
import { Lines } from './lines.ts'

export const ROOT = new URL('..', import.meta.url).pathname

export interface Program {
  readonly pid: number
  readonly log: Lines
  /** Resolves with the exit code, or with the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/**
 * One of our programs as a process of its own. It sees these settings and
 * nothing of our environment but PATH. `watch` restarts it when its source
 * changes.
 */
export function startProgram(
  entry: string,
  settings: Readonly<Record<string, string>>,
  { watch = false } = {},
): Program {
  const args = watch
    ? ['node_modules/tsx/dist/cli.mjs', 'watch', '--clear-screen=false', entry]
    : [...(entry.endsWith('.ts') ? ['--import', 'tsx'] : []), entry]
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const log = new Lines()
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => log.write(text))
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 0))
  })
  const end = (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> => {
    child.kill(signal)
    return ended
  }
  return { pid: child.pid as number, log, ended, end }
}

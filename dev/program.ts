import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Lines } from './lines.ts'
import { Keeper } from './services/keeper.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Longer than the graces we set. A watcher whose program has crashed never ends by itself. */
const END_WITHIN_MS = 20_000
const WATCHER_ENDS_WITHIN_MS = 3_000

export interface Program {
  readonly pid: number
  readonly log: Lines
  /** Resolves with the exit code, or with the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Sends a signal and waits for the end, which it brings about itself when nothing else does. */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

/** Ends what we started when we are gone ourselves; one for this process, made when it is first needed. */
let keeper: Keeper | undefined

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
  return startCommand(process.execPath, args, settings, { watch })
}

/** Any other program, in the same way. `onError` takes what it writes to standard error, which else is ours. */
export function startCommand(
  command: string,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  { watch = false, onError }: { watch?: boolean; onError?: (text: string) => void } = {},
): Program {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', onError === undefined ? 'inherit' : 'pipe'],
    // A group of its own: a terminal's Ctrl-C reaches us alone, and a watcher goes with what it watches.
    detached: true,
  })
  const pid = child.pid as number
  keeper ??= new Keeper()
  keeper.remember(child, `kill -9 -${pid}`)
  const log = new Lines()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => log.write(text))
  if (onError !== undefined) child.stderr?.setEncoding('utf8').on('data', onError)
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => {
      keeper?.forget(child)
      resolve(code ?? signal ?? 0)
    })
  })
  const end = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> => {
    const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
    const kill = (): void => void (isRunning() && process.kill(-pid, 'SIGKILL'))
    // To the watcher alone: it tells its program, which would take a second signal for impatience.
    if (signal === 'SIGKILL') kill()
    else child.kill(signal)
    const force = setTimeout(kill, watch ? WATCHER_ENDS_WITHIN_MS : END_WITHIN_MS)
    return ended.finally(() => clearTimeout(force))
  }
  return { pid, log, ended, end }
}

import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { answers } from './port.ts'
import type { ChildProcess } from 'node:child_process'
import type { Keeper } from './keeper.ts'
import type { Server } from './server.ts'

const run = promisify(execFile)

/** How one program is started, found to be up, and controlled. */
export interface ProcessSpec {
  readonly name: Server['name'] | 'epmd'
  readonly port: number
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly logFile: string
}

/** A program run as a child in a process group of its own, so that a terminal's Ctrl-C does not reach it. */
export class ProcessServer {
  readonly #spec: ProcessSpec
  readonly #keeper: Keeper
  #child: ChildProcess | undefined

  constructor(spec: ProcessSpec, keeper: Keeper) {
    this.#spec = spec
    this.#keeper = keeper
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(): Promise<void> {
    const { command, args, env, logFile, name, port } = this.#spec
    const log = openSync(logFile, 'a')
    const child = spawn(command, args, { env, detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child = child
    let ended = ''
    child.once('error', (error) => (ended = error.message))
    child.once('exit', (code, signal) => (ended ||= `ended with ${signal ?? code}`))
    if (child.pid !== undefined) this.#keeper.remember(this, `kill -9 -${child.pid}`)
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!(await answers(name, port))) {
      if (ended === '' && Date.now() < deadline) {
        await delay(50)
        continue
      }
      await this.kill()
      const last = readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n')
      throw new Error(`${name} did not start (${ended || 'no answer'}):\n${last}`)
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  pause(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  /** Runs a tool in the environment of this program. */
  async tool(command: string, args: readonly string[]): Promise<string> {
    return (await run(command, args, { env: this.#spec.env })).stdout
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      process.kill(-child.pid, signal)
      await gone
      await groupIsGone(child.pid)
    }
    this.#keeper.forget(this)
  }

  /** To the whole group: a broker has helpers of its own. */
  #signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid === undefined) throw new Error(`${this.#spec.name} is not running`)
    process.kill(-this.#child.pid, signal)
  }
}

/**
 * A broker's helpers end a little after it. Until then one of them may write into a directory
 * that is being removed. A helper that hangs is left to its own end.
 */
async function groupIsGone(pid: number): Promise<void> {
  for (const until = Date.now() + GROUP_ENDS_WITHIN_MS; Date.now() < until; await delay(10)) {
    try {
      process.kill(-pid, 0)
    } catch {
      return
    }
  }
}

const GROUP_ENDS_WITHIN_MS = 5_000

/** RabbitMQ needs 5 s on a quiet machine and was seen to take 24 s on a busy one. */
const START_TIMEOUT_MS = 120_000

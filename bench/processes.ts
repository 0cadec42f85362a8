import { fork, spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { bundle } from '../dev/bundle.ts'
import { ROOT } from '../dev/program.ts'
import { freePort } from '../dev/services/port.ts'
import type { ChildProcess } from 'node:child_process'
import type { Load, Measured } from './load.ts'

export type Env = Readonly<Record<string, string>>

/** The programs that the bench runs beside itself, each in a process of its own. */
const PROGRAMS = [
  'client',
  'competitor',
  'floor-c',
  'floor-sse',
  'instant-engine',
  'leaver',
  'producer',
  'reader',
  'worker',
] as const

type ProgramName = (typeof PROGRAMS)[number]

/**
 * Each program becomes one file, as the gateway is. A floor would be slower if
 * tsx compiled it: tsx wraps each named function to keep its name.
 */
export async function buildPrograms(): Promise<void> {
  const entryPoints = PROGRAMS.map((name) => `bench/${name}.ts`)
  await bundle(entryPoints, { outbase: 'bench', outdir: '.cache/bench' })
}

/** A process of the bench. It takes one message at a time and answers each. */
export class BenchProcess {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  get pid(): number {
    return this.#child.pid as number
  }

  ask<T>(message: string | object): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`process ${this.pid} ended before it answered`))
      this.#child.once('exit', fail)
      this.#child.once('message', (answer) => {
        this.#child.off('exit', fail)
        resolve(answer as T)
      })
      this.#child.send(message)
    })
  }

  measure(load: Load): Promise<Measured> {
    return this.ask(load)
  }

  end(): Promise<void> {
    return end(this.#child)
  }
}

/** Resolves when the program says that it is ready. */
export async function startProcess(name: ProgramName, env: Env): Promise<BenchProcess> {
  const child = fork(join(ROOT, '.cache/bench', `${name}.js`), {
    env: { ...process.env, ...env },
    execArgv: [],
  })
  running.add(child)
  await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code} at its start`)))
  })
  return new BenchProcess(child)
}

export interface Gateway {
  readonly pid: number
  readonly url: string
  /** From its start until it listens, in milliseconds, by its own log. */
  readonly startedInMs: number
  end(): Promise<void>
}

/** Where a gateway is started: whose build, and where its log is written. */
export interface Place {
  /** A checkout with a `dist/`. */
  readonly checkout: string
  readonly logs: string
}

export const builtGateway = (checkout: string): string => join(checkout, 'dist/src/main.js')

/** A built gateway with all features on. Its log is at level info and goes into a file. */
export async function startGateway(env: Env, { checkout, logs }: Place): Promise<Gateway> {
  const program = builtGateway(checkout)
  if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build there`)
  const port = await freePort()
  const logFile = join(logs, `gateway-${port}.log`)
  const log = openSync(logFile, 'a')
  const started = Date.now()
  const child = spawn(process.execPath, [...nodeFlags(), program], {
    env: { PATH: process.env.PATH, API_PORT: String(port), LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', log, 'inherit'],
  })
  running.add(child)
  const url = `http://127.0.0.1:${port}`
  await untilReady(child, url)
  const startedInMs = listeningAt(logFile) - started
  return { pid: child.pid as number, url, startedInMs, end: () => end(child) }
}

/** BENCH_NODE_FLAGS="--cpu-prof" profiles the gateway. */
const nodeFlags = (): string[] => process.env.BENCH_NODE_FLAGS?.split(' ') ?? []

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/readyz`).catch(() => undefined)
    if (response?.ok) return
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`)
    await pause(5)
  }
}

function listeningAt(logFile: string): number {
  const lines = readFileSync(logFile, 'utf8').split('\n')
  const line = lines.find((text) => text.includes('gateway.listening'))
  const { time } = JSON.parse(line as string) as { time: string }
  return new Date(time).getTime()
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

async function end(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS)
  await ended
  clearTimeout(force)
}

/** Longer than an idle gateway needs to stop. */
const END_WITHIN_MS = 5_000

export async function endAll(): Promise<void> {
  await Promise.all([...running].map(end))
}

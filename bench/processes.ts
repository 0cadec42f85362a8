import { fork, spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../dev/services/port.ts'
import { ROOT } from '../dev/program.ts'
import type { ChildProcess } from 'node:child_process'
import type { Measured } from './stats.ts'
import type { Load } from './stats.ts'

type Env = Readonly<Record<string, string>>

/** A program of the bench, in a process of its own, that is told what to do. */
export class Told {
  readonly child: ChildProcess

  constructor(child: ChildProcess) {
    this.child = child
  }

  get pid(): number {
    return this.child.pid as number
  }

  ask<T>(message: string | object): Promise<T> {
    return new Promise((resolve) => {
      this.child.once('message', (answer) => resolve(answer as T))
      this.child.send(message)
    })
  }

  measure(load: Load): Promise<Measured & { readonly stages?: Record<string, number[]> }> {
    return this.ask(load)
  }
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when it says that it is ready. */
export async function startTold(file: string, env: Env): Promise<Told> {
  const child = fork(join(ROOT, 'bench', file), {
    env: { ...process.env, ...env },
    execArgv: ['--import', 'tsx'],
  })
  track(child)
  await new Promise((resolve) => child.once('message', resolve))
  return new Told(child)
}

export interface Gateway {
  readonly pid: number
  readonly url: string
  /** From its start until it listens, in milliseconds, by its own log. */
  readonly startedInMs: number
  readonly end: () => Promise<void>
}

/** The built gateway, all features on, its log at info and into a file. */
export async function startGateway(env: Env, directory: string): Promise<Gateway> {
  const port = await freePort()
  const path = join(directory, `gateway-${port}.log`)
  const log = openSync(path, 'a')
  const started = Date.now()
  const child = spawn(process.execPath, [...nodeFlags(), join(ROOT, 'dist/src/main.js')], {
    env: { PATH: process.env.PATH, API_PORT: String(port), LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', log, 'inherit'],
  })
  track(child)
  const url = `http://127.0.0.1:${port}`
  await until(async () => (await fetch(`${url}/readyz`)).ok)
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((text) => text.includes('gateway.listening'))
  const { time } = JSON.parse(line as string) as { time: string }
  const startedInMs = new Date(time).getTime() - started
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const end = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
  }
  return { pid: child.pid as number, url, startedInMs, end }
}

/** BENCH_NODE_FLAGS="--cpu-prof" profiles the gateway. */
const nodeFlags = (): string[] => process.env.BENCH_NODE_FLAGS?.split(' ') ?? []

export async function endAll(): Promise<void> {
  const ends = [...running].map(
    (child) => new Promise((resolve) => child.once('exit', resolve).kill('SIGTERM')),
  )
  await Promise.race([Promise.all(ends), new Promise((resolve) => setTimeout(resolve, 5_000))])
}

function track(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (;;) {
    if (await isSo().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Processor time a process has used so far, in seconds: utime and stime of proc(5), at 100 ticks a second. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function rssBytes(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kb) * 1024
}

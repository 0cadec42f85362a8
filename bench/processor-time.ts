import { readFileSync, readdirSync } from 'node:fs'
import { cpus } from 'node:os'

/**
 * Processor time that a process has used so far, in seconds. It is utime and
 * stime of proc(5), which count in ticks of 10 ms: a round of single requests
 * takes Redis about ten of them, a short round three. The scheduler's own account of
 * each thread is the same time in nanoseconds, and is taken where the kernel
 * shows it.
 */
export function cpuSeconds(pid: number): number {
  return threadSeconds(pid) ?? tickSeconds(pid)
}

/** The time of a process and of all its descendants: a broker has helpers of its own. */
export function cpuSecondsOfTree(pid: number): number {
  return treeOf(pid, parents()).reduce((sum, one) => sum + (ifAlive(() => cpuSeconds(one)) ?? 0), 0)
}

function threadSeconds(pid: number): number | undefined {
  const threads = readdirSync(`/proc/${pid}/task`)
  const times = threads.map((thread) => {
    const account = ifAlive(() => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'))
    return Number(account?.split(' ')[0] ?? 0)
  })
  const nanoseconds = times.reduce((sum, time) => sum + time, 0)
  return nanoseconds > 0 ? nanoseconds / 1e9 : undefined
}

const TICKS_A_SECOND = 100

function tickSeconds(pid: number): number {
  const fields = statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

/** The fields of `stat` behind the name, which may have spaces and brackets of its own. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
}

function parents(): Map<number, number> {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  const parentOf = (pid: number): number => Number(ifAlive(() => statOf(pid))?.[1])
  return new Map(pids.map((pid) => [pid, parentOf(pid)]))
}

/** A process, its children, and theirs. */
export function treeOf(root: number, parentOf: ReadonlyMap<number, number>): number[] {
  const children = [...parentOf].filter(([, parent]) => parent === root).map(([pid]) => pid)
  return [root, ...children.flatMap((pid) => treeOf(pid, parentOf))]
}

/**
 * The share of the machine's processor time, from now on, that programs outside
 * this run use, and the host if this is a virtual machine. Where it is high,
 * times are noise.
 */
export function watchOtherPrograms(): () => number {
  const since = performance.now()
  const before = machineSeconds() - ownSeconds()
  return () => {
    const others = machineSeconds() - ownSeconds() - before
    return Math.max(0, others / ((performance.now() - since) / 1000) / cpus().length)
  }
}

/** Of all cores: user, nice, system, interrupts and what the host has taken; not idle and waiting. */
function machineSeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1)
  const [user, nice, system, , , irq, softIrq, steal] = line.split(/ +/).slice(1).map(Number)
  const ticks = [user, nice, system, irq, softIrq, steal]
  return ticks.reduce<number>((sum, tick) => sum + (tick ?? 0), 0) / TICKS_A_SECOND
}

/** Of this process and its descendants, those included that have ended. */
function ownSeconds(): number {
  const tree = treeOf(process.pid, parents())
  const ended = (pid: number): number => {
    const fields = ifAlive(() => statOf(pid)) ?? []
    return (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / TICKS_A_SECOND
  }
  return cpuSecondsOfTree(process.pid) + tree.reduce((sum, pid) => sum + ended(pid), 0)
}

/** A process or a thread may end while it is looked at. */
function ifAlive<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

export function rssBytes(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kb) * 1024
}

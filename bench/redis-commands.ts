import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import type { Contender } from './contenders.ts'
import type { Stage } from './stage.ts'

/** Redis commands of one job, the worker's own SET not counted. */
export interface Commands {
  readonly sent: number
  /** With those inside scripts. */
  readonly all: number
  readonly names: string
}

export interface CommandsByContender {
  readonly c: Commands
  readonly gateway: Commands
}

/** Counted by MONITOR. */
export async function measureCommands(stage: Stage): Promise<CommandsByContender> {
  stage.say('Redis commands of one job')
  const [c, gateway] = await stage.contenders.get('C', 'gateway')
  const monitor = createClient({ url: stage.env.REDIS_URL as string })
  await monitor.connect()
  const lines: string[] = []
  await monitor.monitor((line) => void lines.push(String(line)))
  const commandsOf = async (contender: Contender): Promise<Commands> => {
    lines.length = 0
    await stage.client.measure({ url: contender.url as string, concurrency: 1, ms: 0 })
    // What a contender does after its answer counts as well.
    await pause(300)
    return countCommands(lines)
  }
  const counts = {
    c: await commandsOf(c as Contender),
    gateway: await commandsOf(gateway as Contender),
  }
  monitor.destroy()
  return counts
}

/** Of the job whose key is subscribed to, from lines as MONITOR writes them. */
export function countCommands(lines: readonly string[]): Commands {
  const subscribe = lines.find((line) => nameOf(line) === 'SUBSCRIBE')
  const key = /__keyspace@0__:([^"]+)"/.exec(subscribe ?? '')?.[1]
  if (key === undefined) throw new Error('MONITOR has shown no SUBSCRIBE')
  const id = key.slice(key.indexOf(':') + 1)
  const isOfWorker = (line: string): boolean =>
    nameOf(line) === 'SET' && line.includes(`"${key}"`) && !isInScript(line)
  const all = lines.filter((line) => line.includes(id) && !isOfWorker(line))
  const sent = all.filter((line) => !isInScript(line))
  return { sent: sent.length, all: all.length, names: sent.map(nameOf).join(' ') }
}

const isInScript = (line: string): boolean => line.includes(' lua]')
const nameOf = (line: string): string => (/\] "(\w+)"/.exec(line)?.[1] ?? '').toUpperCase()

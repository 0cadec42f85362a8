import { createClient } from 'redis'
import { rssBytes, startGateway } from './processes.ts'
import { median, percentile } from './stats.ts'
import { freePort } from '../dev/services/port.ts'
import { startTold } from './processes.ts'
import type { Stage } from './speed.ts'
import type { Measured } from './stats.ts'

export interface Commands {
  /** Commands a client sent for one job, the worker's SET not counted; and with those inside scripts. */
  readonly sent: Record<string, number>
  readonly all: Record<string, number>
  readonly names: Record<string, string>
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Redis commands of one job, counted by MONITOR. */
export async function measureCommands(stage: Stage): Promise<Commands> {
  const { env, gateway, client } = stage
  const port = await freePort()
  await startTold('competitor.ts', { ...env, WAY: 'C', PORT: String(port) })
  const monitor = createClient({ url: env.REDIS_URL as string })
  await monitor.connect()
  const lines: string[] = []
  await monitor.monitor((line) => void lines.push(String(line)))
  const of = async (url: string): Promise<string[]> => {
    await client.measure({ url, concurrency: 1, ms: 200 })
    await pause(1_500)
    lines.length = 0
    // One job.
    await client.measure({ url, concurrency: 1, ms: 0 })
    await pause(300)
    return lines.filter((line) => /bench:[\da-f]{8}-/.test(line))
  }
  const seen: Record<string, string[]> = {
    C: await of(`http://127.0.0.1:${port}`),
    gateway: await of(gateway.url),
  }
  monitor.destroy()
  const each = <T>(count: (lines: string[]) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(seen).map(([name, all]) => [name, count(all)]))
  const isSent = (line: string): boolean => !line.includes(' lua]') && !isWorkers(line)
  const name = (line: string): string => /"(\w+)"/.exec(line)?.[1] ?? '?'
  return {
    sent: each((all) => all.filter(isSent).length),
    all: each((all) => all.filter((line) => !isWorkers(line)).length),
    names: each((all) => all.filter(isSent).map(name).join(' ')),
  }
}

/** The worker's own write; in scripts the gateway sets nothing by SET. */
const isWorkers = (line: string): boolean =>
  / "set" /i.test(line.toLowerCase()) && !line.includes(' lua]')

export interface Held {
  readonly count: number
  readonly bytesPerRequest: number
  readonly p50Idle: number
  readonly p50Among: number
  readonly answeredInMs: number
  readonly right: number
  /** Of the new requests. */
  readonly wrong: number
}

/** 10,000 requests pending at once. */
export async function measureHeld(stage: Stage): Promise<Held> {
  const { gateway, client, worker, env, isSmoke, say } = stage
  const count = isSmoke ? 1_000 : 10_000
  say(`# ${count} pending requests`)
  const holder = await startTold('client.ts', env)
  const load = { url: gateway.url, concurrency: 1, ms: isSmoke ? 500 : 2_000 }
  const idle = [await client.measure(load), await client.measure(load)]
  const before = rssBytes(gateway.pid)
  await holder.ask({ url: gateway.url, concurrency: 0, ms: 0, hold: count })
  while ((await worker.ask<number>('held')) < count) await pause(50)
  await pause(1_000)
  const bytesPerRequest = (rssBytes(gateway.pid) - before) / count
  const among = [await client.measure(load), await client.measure(load)]
  const p50 = (rounds: readonly Measured[]): number =>
    median(rounds.map(({ latencies }) => percentile(latencies, 0.5)))
  const released = performance.now()
  await worker.ask('release')
  const { right } = await holder.ask<{ right: number }>('released')
  const answeredInMs = performance.now() - released
  holder.child.kill()
  const wrong = [...idle, ...among].reduce((sum, one) => sum + one.wrong, 0)
  const [p50Idle, p50Among] = [p50(idle), p50(among)]
  return { count, bytesPerRequest, p50Idle, p50Among, answeredInMs, right, wrong }
}

/** SETs a second that Redis takes while so many gateways stand by, each with 200 keys subscribed to. */
export async function measureReplicas(
  stage: Stage,
  directory: string,
): Promise<Record<string, { own: number; foreign: number }>> {
  const { env, worker, isSmoke, rounds, say } = stage
  const counts = isSmoke ? [1, 3] : [1, 5, 20]
  const holder = await startTold('client.ts', env)
  const redis = createClient({ url: env.REDIS_URL as string })
  await redis.connect()
  const perSecond = async (prefix: string): Promise<number> => {
    const until = performance.now() + (isSmoke ? 300 : 1_000)
    const started = performance.now()
    let sets = 0
    while (performance.now() < until) {
      const batch = Array.from({ length: 500 }, (_, index) =>
        redis.set(`${prefix}:${sets + index}`, 'x', { expiration: { type: 'EX', value: 10 } }),
      )
      await Promise.all(batch)
      sets += batch.length
    }
    return (sets / (performance.now() - started)) * 1000
  }
  const gateways = []
  const results: Record<string, { own: number; foreign: number }> = {}
  for (const count of counts) {
    say(`# ${count} replicas`)
    while (gateways.length < count) {
      const gateway = await startGateway(env, directory)
      gateways.push(gateway)
      await holder.ask({ url: gateway.url, concurrency: 0, ms: 0, hold: 200 })
    }
    while ((await worker.ask<number>('held')) < count * 200) await pause(50)
    await pause(500)
    const own: number[] = []
    const foreign: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      own.push(await perSecond('bench:own'))
      foreign.push(await perSecond('elsewhere'))
    }
    results[String(count)] = { own: median(own), foreign: median(foreign) }
  }
  await worker.ask('release')
  await holder.ask('released')
  holder.child.kill()
  redis.destroy()
  await Promise.all(gateways.map((gateway) => gateway.end()))
  return results
}

export interface Idle {
  readonly coldStartMs: number
  readonly rssMb: number
}

/** After so long with nothing to do, Node has given back what its start took. */
const SETTLED_MS = 25_000

/** A gateway that has just been started, and has nothing to do. */
export async function measureIdle(stage: Stage, directory: string): Promise<Idle> {
  const { env, rounds, isSmoke, say } = stage
  say('# cold start and idle')
  const starts: number[] = []
  const gateways = []
  for (let round = 0; round < rounds * 2; round += 1) {
    const gateway = await startGateway(env, directory)
    starts.push(gateway.startedInMs)
    gateways.push(gateway)
    // The one before is still busy with its own start for a while.
    await pause(1_000)
  }
  if (!isSmoke) await pause(SETTLED_MS)
  const sizes = gateways.map(({ pid }) => rssBytes(pid) / 2 ** 20)
  await Promise.all(gateways.map((gateway) => gateway.end()))
  return { coldStartMs: median(starts), rssMb: median(sizes) }
}

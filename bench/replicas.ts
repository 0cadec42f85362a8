import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { untilHeld } from './held.ts'
import { startGateway, startProcess } from './processes.ts'
import { median } from './stats.ts'
import type { Stage } from './stage.ts'

/** SETs a second that Redis takes while so many gateways have 200 keys each subscribed to. */
export interface Replicas {
  readonly gateways: number
  /** Of keys under the gateways' prefix, and of others. */
  readonly own: number
  readonly foreign: number
}

const PENDING_EACH = 200

export async function measureReplicas(stage: Stage): Promise<Replicas[]> {
  const { env, worker, isSmoke, say, here } = stage
  const holder = await startProcess('client', env)
  const redis = createClient({ url: env.REDIS_URL as string })
  await redis.connect()
  const gateways = []
  const results: Replicas[] = []
  for (const count of isSmoke ? [1, 3] : [1, 5, 20]) {
    say(`gateways: ${count}`)
    while (gateways.length < count) {
      const gateway = await startGateway(env, here)
      gateways.push(gateway)
      await holder.ask({ url: gateway.url, concurrency: 0, ms: 0, hold: PENDING_EACH })
    }
    await untilHeld(stage, count * PENDING_EACH)
    await pause(500)
    results.push({ gateways: count, ...(await setsOf(stage, redis)) })
  }
  await worker.ask('release')
  await holder.ask('released')
  await holder.end()
  redis.destroy()
  await Promise.all(gateways.map((gateway) => gateway.end()))
  return results
}

interface Writer {
  set(key: string, value: string, options: object): Promise<unknown>
}

async function setsOf({ rounds, isSmoke }: Stage, redis: Writer) {
  const own: number[] = []
  const foreign: number[] = []
  const ms = isSmoke ? 300 : 1_000
  for (let round = 0; round < rounds; round += 1) {
    own.push(await setsPerSecond(redis, 'bench:own', ms))
    foreign.push(await setsPerSecond(redis, 'elsewhere', ms))
  }
  return { own: median(own), foreign: median(foreign) }
}

async function setsPerSecond(redis: Writer, prefix: string, ms: number): Promise<number> {
  const started = performance.now()
  let sets = 0
  while (performance.now() < started + ms) {
    const batch = Array.from({ length: 500 }, (_, index) =>
      redis.set(`${prefix}:${sets + index}`, 'x', { expiration: { type: 'EX', value: 10 } }),
    )
    await Promise.all(batch)
    sets += batch.length
  }
  return (sets / (performance.now() - started)) * 1000
}

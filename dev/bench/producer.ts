import { createClient } from 'redis'

/** Appends deltas to streams, evenly, as workers would: each says its number and when it was written. */
export interface Production {
  readonly keys: readonly string[]
  readonly perSecondEach: number
  readonly ms: number
}

const redis = createClient({ url: process.env.REDIS_URL as string })
await redis.connect()

async function produce({ keys, perSecondEach, ms }: Production): Promise<number> {
  const started = performance.now()
  const perMs = (keys.length * perSecondEach) / 1000
  const total = Math.round(perMs * ms)
  let written = 0
  const writing: Promise<unknown>[] = []
  while (written < total) {
    const due = Math.min(total, Math.floor((performance.now() - started) * perMs))
    for (; written < due; written += 1) {
      const key = keys[written % keys.length] as string
      const number = Math.floor(written / keys.length)
      // The clock of the machine, the same for all processes.
      const text = `${number} ${process.hrtime.bigint()};`
      writing.push(redis.xAdd(key, '*', { text }))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(writing)
  return written
}

process.on('message', (production: Production) => {
  void produce(production).then((written) => process.send?.(written))
})
process.send?.('ready')

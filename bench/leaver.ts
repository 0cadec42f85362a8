import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { readWorkerConfig } from '../worker-stub/config.ts'
import { Worker } from '../worker-stub/worker.ts'
import { RedisConnection } from '../src/redis/connection.ts'
import { createLog } from '../src/telemetry/log.ts'

/**
 * The stub with an engine that runs until it is stopped, and its clients, which
 * leave. It answers with the milliseconds from each closed connection to the
 * engine's stop, sorted.
 */
const config = readWorkerConfig(process.env)
const log = createLog('warn')
const [redis, subscriber] = (['worker', 'subscriber'] as const).map(
  (role) => new RedisConnection(config.redisUrl, role, log),
) as [RedisConnection, RedisConnection]
const started = new Map<string, () => void>()
const stopped = new Map<string, () => void>()
const engine = {
  run: async (job: { id: string }, signal: AbortSignal): Promise<never> => {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve())
    })
    started.get(job.id)?.()
    await aborted
    stopped.get(job.id)?.()
    return signal.throwIfAborted() as never
  },
}
for (const connection of [redis, subscriber]) connection.open()
const worker = new Worker({ ...config, redis, subscriber, engine, log })
await worker.open()

async function leave(url: URL): Promise<number> {
  const id = randomUUID()
  const isRunning = new Promise<void>((resolve) => started.set(id, resolve))
  const isStopped = new Promise<void>((resolve) => stopped.set(id, resolve))
  const socket = connect(Number(url.port), url.hostname)
  const body = JSON.stringify({ job_id: id, meta: {}, content: 'x' })
  const head = `POST /generate HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json`
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await isRunning
  const left = performance.now()
  socket.destroy()
  await isStopped
  return performance.now() - left
}

async function measure({ url, count }: { url: string; count: number }): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < count; index += 1) times.push(await leave(new URL(url)))
  return times.toSorted((a, b) => a - b)
}

process.on('message', (load: { url: string; count: number }) => {
  void measure(load).then((times) => process.send?.(times))
})
process.send?.('ready')

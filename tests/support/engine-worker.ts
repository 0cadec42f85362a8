import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { protollmV1 } from '../../src/dialects/protollm-v1.ts'
import { startServer } from '../../src/server.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { Lines } from '../../dev/lines.ts'
import { eventually } from './eventually.ts'
import { modelsOf } from './openai.ts'
import { deltasKey } from './record.ts'
import { isReady, testChannel, testRedis } from './scene.ts'
import type { Job, Outcome } from '../../src/job.ts'
import type { ModelRoute } from '../../src/models.ts'
import type { Settings } from './scene.ts'

type SceneSettings = Settings & { QUEUE_NAME: string; REDIS_PREFIX: string }

/** The gateway with two models on its queue: `whole` takes bodies unless told otherwise, `text` takes messages. */
export async function startOpenAiGateway(settings: SceneSettings, whole: Partial<ModelRoute> = {}) {
  const lines = new Lines()
  const queue = settings.QUEUE_NAME
  const models = modelsOf({ whole: { queue, ...whole }, text: { queue, isVerbatim: false } })
  const config = readConfig(settings)
  const server = await startServer(config, createLog('debug', lines), createMetrics(), models)
  onTestFinished(() => server.close(0))
  await eventually('the gateway is ready', () => isReady(server.url))
  return { ...server, log: lines }
}

/** One job in the hands of a worker. */
export interface EngineJob {
  readonly job: Job
  /** As protollm-v1 has it in the message. */
  readonly body: string
  readonly say: (fields: { text?: string; chunks?: string; attempt?: string }) => Promise<unknown>
  readonly end: (outcome: Outcome) => Promise<unknown>
}

/** A worker of whole bodies. It does what the test says with each job. */
export async function startEngineWorker(
  settings: SceneSettings,
  work: (job: EngineJob) => Promise<unknown>,
) {
  const { QUEUE_NAME: queue, REDIS_PREFIX: prefix, RABBIT_MQ_URL, REDIS_URL } = settings
  const dialect = protollmV1.create({ REDIS_PREFIX: prefix })
  const [channel, redis] = await Promise.all([testChannel(RABBIT_MQ_URL), testRedis(REDIS_URL)])
  await channel.assertQueue(queue, dialect.queue)
  const jobs: EngineJob[] = []
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return
      const { job, wireId } = dialect.decodeJob({ body: message.content }, queue)
      const key = `${prefix}:${wireId}`
      const engineJob: EngineJob = {
        job,
        body: job.request?.body ?? '',
        say: (fields) => redis.xAdd(deltasKey(key), '*', { text: '', ...fields }),
        end: (outcome) => {
          const [value] = dialect.encodeOutcome(outcome, { wireId, now: new Date() })
          return redis.set(key, value as string)
        },
      }
      jobs.push(engineJob)
      void work(engineJob)
    },
    { noAck: true },
  )
  return { jobs, redis, key: (id: string) => `${prefix}:${id}` }
}

/** Sends a request and reads the whole answer, which may be a stream. */
export async function ask(
  url: string,
  path: string,
  body: string | object,
  { headers = {}, signal }: { headers?: Record<string, string>; signal?: AbortSignal } = {},
) {
  const reply = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  })
  return { status: reply.status, headers: reply.headers, text: await reply.text() }
}

export const unique = (): string => randomUUID()

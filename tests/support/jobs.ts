import { eventually } from './eventually.ts'
import { freshSettings, startGateway, testChannel, testRedis } from './scene.ts'
import type { Settings } from './scene.ts'

export interface JobReply {
  readonly status: number
  readonly headers: Headers
  readonly body: {
    job_id: string
    status: string
    created_at: string | null
    finished_at: string | null
    outcome: { content?: string; error?: object } | null
    code?: string
    detail?: unknown
  }
}

/** A gateway, and the test as its worker: it takes no message and writes what it likes. */
export async function jobScene(more: Settings = {}) {
  const settings = { ...freshSettings(), ...more }
  const redis = await testRedis()
  const channel = await testChannel()
  await channel.assertQueue(settings.QUEUE_NAME, { durable: false })
  const gateway = await startGateway(settings)
  const key = (id: string): string => `${settings.REDIS_PREFIX}:${id}`
  const deltas = (id: string): string => `{${key(id)}}:deltas`
  return {
    settings,
    redis,
    channel,
    gateway,
    key,
    deltas,
    run: (id: string) => redis.hGet(`{${key(id)}}:claim`, 'run'),
    answer: (id: string, result: object) => redis.set(key(id), JSON.stringify(result)),
    stream: (id: string, fields: Record<string, string>) => redis.xAdd(deltas(id), '*', fields),
    messages: () =>
      eventually('the broker counts', async () => {
        const { messageCount } = await channel.checkQueue(settings.QUEUE_NAME)
        return { messageCount }
      }),
  }
}

export async function ask(
  url: string,
  method: 'GET' | 'POST' | 'DELETE',
  body?: object,
  headers: Record<string, string> = {},
): Promise<JobReply> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? {} : JSON.parse(text)) as JobReply['body'],
  }
}

export const submit = (url: string, body: object, headers: Record<string, string> = {}) =>
  ask(`${url}/jobs`, 'POST', body, headers)

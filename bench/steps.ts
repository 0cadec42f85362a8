import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { createClient, defineScript } from 'redis'
import type { ConfirmChannel } from 'amqplib'
import type { CommandParser } from 'redis'

/** What a floor works with: the same libraries as the gateway, and nothing around them. */
export interface Links {
  readonly channel: ConfirmChannel
  readonly data: ReturnType<typeof newClient>
  readonly subscriber: ReturnType<typeof newClient>
}

export interface Names {
  readonly queue: string
  readonly prefix: string
}

/** Answers one prompt in its own way. */
export type Ask = (content: string) => Promise<string>

const TTL_S = 3_600

/** The least that a claim in a script does: new, joined or conflict, by the state of one key. */
const CLAIM = `
local claim = redis.call('HMGET', KEYS[1], 'run', 'fingerprint')
if claim[1] then return claim[2] == ARGV[2] and 'joined' or 'conflict' end
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'fingerprint', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'new'
`

export async function openLinks(env: Readonly<Record<string, string | undefined>>): Promise<Links> {
  const url = env.REDIS_URL as string
  const connection = await connect(env.RABBIT_MQ_URL as string, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  const [data, subscriber] = [newClient(url), newClient(url)]
  await Promise.all([data.connect(), subscriber.connect()])
  return { channel, data, subscriber }
}

/** A: publish, worker, SET, event, GET. It has one subscription to all keys and no claim. */
export async function askA({ channel, data, subscriber }: Links, names: Names): Promise<Ask> {
  const waiting = new Map<string, () => void>()
  const start = `__keyspace@0__:${names.prefix}:`
  await subscriber.pSubscribe(`${start}*`, (_, on) => waiting.get(on.slice(start.length))?.())
  return async (content) => {
    const id = randomUUID()
    const written = new Promise<void>((resolve) => waiting.set(id, resolve))
    channel.sendToQueue(names.queue, taskOf(id, content), { messageId: id, persistent: true })
    await written
    waiting.delete(id)
    return contentOf(await data.get(`${names.prefix}:${id}`))
  }
}

/** B: the steps of the contract, with the claim in a script. Claim and SUBSCRIBE are acknowledged before the publish. */
export async function askB({ channel, data, subscriber }: Links, names: Names): Promise<Ask> {
  const waiting = new Map<string, () => void>()
  const onEvent = (event: string, on: string): void => {
    if (event === 'set') waiting.get(on)?.()
  }
  return async (content) => {
    const id = randomUUID()
    const key = `${names.prefix}:${id}`
    const on = `__keyspace@0__:${key}`
    const run = randomUUID()
    const written = new Promise<void>((resolve) => waiting.set(on, resolve))
    await Promise.all([
      subscriber.subscribe(on, onEvent),
      data.claim(`{${key}}:claim`, run, content, String(TTL_S * 1000)),
    ])
    const properties = { mandatory: true, persistent: true, messageId: id, correlationId: run }
    const expiration = String(TTL_S * 1000)
    channel.publish('', names.queue, taskOf(id, content), { ...properties, expiration }, () => {})
    await written
    waiting.delete(on)
    const value = await data.getEx(key, { type: 'EX', value: TTL_S })
    void subscriber.unsubscribe(on, onEvent)
    return contentOf(value)
  }
}

/** As a program does it without notifications: it publishes, and looks for the result every so often. */
export async function askByPolling(
  { channel, data }: Links,
  names: Names,
  everyMs: number,
): Promise<Ask> {
  return async (content) => {
    const id = randomUUID()
    channel.sendToQueue(names.queue, taskOf(id, content), { messageId: id, persistent: true })
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, everyMs))
      const value = await data.get(`${names.prefix}:${id}`)
      if (value !== null) return contentOf(value)
    }
  }
}

/** As protollm_api 1.0 does it: each request opens a connection to the broker, and subscribes after the publish. */
export async function askLikeThePredecessor(
  { data, subscriber }: Links,
  names: Names,
  rabbitUrl: string,
): Promise<Ask> {
  return async (content) => {
    const id = randomUUID()
    const key = `${names.prefix}:${id}`
    const connection = await connect(rabbitUrl, { noDelay: true })
    const channel = await connection.createChannel()
    channel.sendToQueue(names.queue, taskOf(id, content), { messageId: id, persistent: true })
    await channel.close()
    await connection.close()
    const on = `__keyspace@0__:${key}`
    const onEvent = (): void => settle()
    let settle = (): void => {}
    // It does not read after it has subscribed, so that it hangs where the event came before. Here it gives up after a second.
    const written = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1_000)
      settle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    await subscriber.subscribe(on, onEvent)
    await written
    await subscriber.unsubscribe(on, onEvent)
    return contentOf(await data.get(key))
  }
}

/** Request and reply over the broker alone: no result outlives the connection. */
export async function askByDirectReply({ channel }: Links, names: Names): Promise<Ask> {
  const waiting = new Map<string, (content: string) => void>()
  await channel.consume(
    'amq.rabbitmq.reply-to',
    (message) => {
      const { correlationId } = message?.properties ?? {}
      waiting.get(String(correlationId))?.(contentOf(message?.content.toString() ?? null))
    },
    { noAck: true },
  )
  return (content) =>
    new Promise((resolve) => {
      const id = randomUUID()
      waiting.set(id, (answer) => {
        waiting.delete(id)
        resolve(answer)
      })
      const reply = { correlationId: id, replyTo: 'amq.rabbitmq.reply-to' }
      channel.sendToQueue(names.queue, taskOf(id, content), { messageId: id, ...reply })
    })
}

/** The bytes protollm_api 1.0 publishes. */
export function taskOf(id: string, content: string): Buffer {
  const meta = { temperature: 0.2, tokens_limit: 8096, stop_words: null, model: null }
  const prompt = { job_id: id, meta, messages: [{ role: 'user', content }] }
  const kwargs = { prompt, prompt_type: 'chat_completion' }
  const task = { type: 'task', task: 'generate', args: [], kwargs, id, retries: 0, eta: null }
  return Buffer.from(JSON.stringify(task))
}

const contentOf = (value: string | null): string =>
  value === null ? '' : (JSON.parse(value) as { content: string }).content

function newClient(url: string) {
  const claim = defineScript({
    SCRIPT: CLAIM,
    NUMBER_OF_KEYS: 1,
    parseCommand(parser: CommandParser, key: string, ...args: string[]) {
      parser.pushKey(key)
      parser.push(...args)
    },
    transformReply: (reply: unknown) => reply as string,
  })
  const client = createClient({ url, scripts: { claim }, maintNotifications: 'disabled' })
  client.on('error', () => {})
  return client
}

import { createServer } from 'node:http'
import { connect } from 'amqplib'
import { createClient } from 'redis'

/**
 * Floor C: bare `node:http` and the steps of the contract, and nothing else. It
 * has no framework, validation, limits, log or metrics. The gateway's figures are
 * ratios to it, so each step here is one that no gateway can leave out:
 *
 *   together  SUBSCRIBE to the result's key; SET NX GET EX of the claim's key; GET of the result
 *   publish   mandatory, persistent, with an expiration; the confirm is asked for and not waited for
 *   event     of the worker's SET
 *   last      GETEX of the result; UNSUBSCRIBE, not waited for
 */
const { PORT, QUEUE_NAME, REDIS_PREFIX, REDIS_URL, RABBIT_MQ_URL } = process.env
const queue = QUEUE_NAME as string
const events = `__keyspace@0__:${REDIS_PREFIX}:`

const commands = await createClient({ url: REDIS_URL as string }).connect()
const subscriber = await createClient({ url: REDIS_URL as string }).connect()
const connection = await connect(RABBIT_MQ_URL as string, { noDelay: true })
const channel = await connection.createConfirmChannel()
await channel.assertQueue(queue, { durable: true })

const waiting = new Map<string, () => void>()
const onEvent = (event: string, on: string): void => {
  if (event === 'set') waiting.get(on.slice(events.length))?.()
}
const published = { deliveryMode: 2, mandatory: true, expiration: '300000' }

interface Request {
  readonly job_id: string
  readonly content: string
}

async function answer({ job_id: id, content }: Request): Promise<string> {
  const key = `${REDIS_PREFIX}:${id}`
  const meta = { temperature: 0.2, tokens_limit: 8096, stop_words: null, model: null }
  const prompt = { job_id: id, meta, messages: [{ role: 'user', content }] }
  const kwargs = { prompt, prompt_type: 'chat_completion' }
  const task = { type: 'task', task: 'generate', args: [], kwargs, id, retries: 0, eta: null }
  const body = Buffer.from(JSON.stringify(task))
  const written = new Promise<void>((resolve) => waiting.set(id, resolve))
  await Promise.all([
    subscriber.subscribe(events + id, onEvent),
    commands.set(`{${key}}:claim`, id, { NX: true, GET: true, EX: 600 }),
    commands.get(key),
  ])
  channel.publish('', queue, body, { ...published, messageId: id }, () => {})
  await written
  const value = await commands.getEx(key, { type: 'EX', value: 600 })
  waiting.delete(id)
  subscriber.unsubscribe(events + id, onEvent).catch(() => {})
  return value as string
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    void answer(JSON.parse(body) as Request).then((value) => {
      const length = Buffer.byteLength(value)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
      response.end(value)
    })
  })
})
server.listen(Number(PORT), '127.0.0.1', () => process.send?.('ready'))
process.on('SIGTERM', () => process.exit())

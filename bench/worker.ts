import { connect } from 'amqplib'
import { createClient } from 'redis'
import type { ConsumeMessage } from 'amqplib'

/**
 * A worker of 0 ms in as little code as can be, one for all contenders. It takes
 * tasks and writes the echo of their last message. A prompt "hold" is answered
 * when the bench releases it, a prompt "delay …" after 0 to 100 ms. Each queue
 * has its results under a prefix of its own name.
 */
const { RABBIT_MQ_URL, REDIS_URL, QUEUE_NAMES } = process.env
const connection = await connect(RABBIT_MQ_URL as string, { noDelay: true })
const channel = await connection.createChannel()
const redis = createClient({ url: REDIS_URL as string })
redis.on('error', () => {})
await redis.connect()
/** Result keys. */
const held: string[] = []

interface Task {
  id: string
  kwargs: { prompt: { messages: { content: string }[] } }
}

function take(queue: string, message: ConsumeMessage): void {
  const { id, kwargs } = JSON.parse(message.content.toString()) as Task
  const content = kwargs.prompt.messages.at(-1)?.content ?? ''
  const key = `${queue}:${id}`
  const { replyTo, correlationId } = message.properties
  if (replyTo !== undefined) {
    channel.sendToQueue(String(replyTo), Buffer.from(answerTo(content)), { correlationId })
  } else if (content === 'hold') held.push(key)
  else if (content.startsWith('delay')) {
    const received = performance.now()
    const later = (): void => void write(key, answerTo(content, performance.now() - received))
    setTimeout(later, Math.random() * 100)
  } else void write(key, answerTo(content))
}

/** Tells the worker's own milliseconds, which are charged to no contender. */
const answerTo = (content: string, workMs = 0): string =>
  JSON.stringify({ content: `echo: ${content} in ${workMs.toFixed(3)}` })

async function write(key: string, answer: string): Promise<void> {
  await redis.set(key, answer)
}

for (const queue of (QUEUE_NAMES as string).split(',')) {
  await channel.assertQueue(queue, { durable: true })
  const onMessage = (message: ConsumeMessage | null): void => {
    if (message !== null) take(queue, message)
  }
  await channel.consume(queue, onMessage, { noAck: true })
}

process.on('message', (message: 'release' | 'held') => {
  if (message === 'held') process.send?.(held.length)
  if (message === 'release') {
    for (const key of held.splice(0)) void write(key, answerTo('hold'))
    process.send?.('released')
  }
})
process.send?.('ready')

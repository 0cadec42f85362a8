import { connect } from 'amqplib'
import { createClient } from 'redis'

/**
 * A worker of 0 ms, as little code as can be, the same for everybody: takes
 * tasks, writes the echo of their last message. "hold" waits until it is
 * released; a prompt "delay …" is answered after 0 to 100 ms.
 */
const { RABBIT_MQ_URL, REDIS_URL, QUEUE_NAME, REDIS_PREFIX } = process.env
const connection = await connect(RABBIT_MQ_URL as string, { noDelay: true })
const channel = await connection.createChannel()
const redis = createClient({ url: REDIS_URL as string })
redis.on('error', () => {})
await redis.connect()
await channel.assertQueue(QUEUE_NAME as string, { durable: true })
const held: string[] = []

interface Task {
  id: string
  kwargs: { prompt: { messages: { content: string }[] } }
}

await channel.consume(
  QUEUE_NAME as string,
  (message) => {
    if (message === null) return
    const { id, kwargs } = JSON.parse(message.content.toString()) as Task
    const content = kwargs.prompt.messages.at(-1)?.content ?? ''
    const received = performance.now()
    const { replyTo, correlationId } = message.properties
    if (replyTo !== undefined) {
      const answer = Buffer.from(answerTo(content, received))
      channel.sendToQueue(String(replyTo), answer, { correlationId })
    } else if (content === 'hold') held.push(id)
    else if (content.startsWith('delay')) {
      setTimeout(() => void write(id, answerTo(content, received)), Math.random() * 100)
    } else void write(id, `{"content":"echo: ${content} in 0"}`)
  },
  { noAck: true },
)

/** With its own milliseconds, which are nobody's to be charged for. */
const answerTo = (content: string, since: number): string =>
  JSON.stringify({ content: `echo: ${content} in ${(performance.now() - since).toFixed(3)}` })

async function write(id: string, answer: string): Promise<void> {
  await redis.set(`${REDIS_PREFIX}:${id}`, answer)
}

process.on('message', (message: 'release' | 'held') => {
  if (message === 'held') process.send?.(held.length)
  if (message === 'release') {
    for (const id of held.splice(0)) void write(id, '{"content":"echo: hold in 0"}')
    process.send?.('released')
  }
})
process.send?.('ready')

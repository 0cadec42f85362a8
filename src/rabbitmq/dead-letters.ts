import { setTimeout as delay } from 'node:timers/promises'
import { deadQueueOf } from '../dialect.ts'
import { errorFields } from '../telemetry/log.ts'
import { declareQueue, deliveryOf } from './connect.ts'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { Delivery } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'

/** Between two tries at a message that could not be dealt with. */
const RETRY_MS = 1_000
const PREFETCH = 16

export interface DeadLetter {
  readonly queue: string
  readonly delivery: Delivery
  /** '' when the message names none. */
  readonly run: string
  /** In RabbitMQ's words: `delivery_limit`, `rejected`, `expired`, `maxlen`. */
  readonly reason: string
}

/** Resolves when it has been dealt with; rejects when it is to be brought again. */
export type OnDeadLetter = (letter: DeadLetter) => Promise<void>

export interface DeadLettersOptions {
  readonly connection: ChannelModel
  readonly queues: readonly string[]
  readonly onDeadLetter: OnDeadLetter
  readonly log: Log
}

/** Takes what the broker has given up from beside each queue. Belongs into the setup of a connection. */
export async function consumeDeadLetters(options: DeadLettersOptions): Promise<void> {
  const { connection, queues, log } = options
  const channel = await connection.createChannel()
  channel.on('error', (error) => log.warn(errorFields(error), 'dead_letters.channel_closed'))
  await channel.prefetch(PREFETCH)
  for (const queue of queues) {
    const deadQueue = deadQueueOf(queue)
    const problem = await declareQueue(connection, deadQueue, { durable: true, arguments: {} })
    if (problem !== undefined) log.error({ queue: deadQueue, problem }, 'dead_letters.refused')
    else await channel.consume(deadQueue, (message) => void take(options, channel, queue, message))
  }
}

async function take(
  { onDeadLetter, log }: DeadLettersOptions,
  channel: Channel,
  queue: string,
  message: ConsumeMessage | null,
): Promise<void> {
  if (message === null) return
  const { correlationId, headers } = message.properties
  const reason = String(headers?.['x-first-death-reason'] ?? 'unknown')
  const run = String(correlationId ?? '')
  try {
    await onDeadLetter({ queue, delivery: deliveryOf(message), run, reason })
    channel.ack(message)
  } catch (error) {
    log.warn(errorFields(error), 'dead_letters.failed')
    await delay(RETRY_MS)
    giveBack(channel, message)
  }
}

function giveBack(channel: Channel, message: ConsumeMessage): void {
  try {
    channel.nack(message)
  } catch {
    // The channel is gone: the broker has the message back already.
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import { deadQueueOf } from '../dialect.ts'
import { errorFields } from '../telemetry/log.ts'
import { declareQueue, deliveryOf, runOf } from './connect.ts'
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import type { Delivery } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'

/** Between two tries at a message that could not be dealt with. */
const RETRY_MS = 1_000
const REOPEN_MS = 5_000
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

/** Takes what the broker has given up from beside each queue, as long as the connection stands. */
export function consumeDeadLetters(options: DeadLettersOptions): Promise<void[]> {
  return Promise.all(options.queues.map((queue) => new DeadQueue(options, queue).open()))
}

/** One dead-letter queue, on a channel of its own: what closes that is no reason to disturb another. */
class DeadQueue {
  readonly #options: DeadLettersOptions
  readonly #queue: string
  #timer: NodeJS.Timeout | undefined
  #isConnected = true

  constructor(options: DeadLettersOptions, queue: string) {
    this.#options = options
    this.#queue = queue
    options.connection.on('close', () => {
      this.#isConnected = false
      clearTimeout(this.#timer)
    })
  }

  /** Never rejects: a gateway that cannot be told of dead jobs can still run living ones. */
  async open(): Promise<void> {
    const { connection, log } = this.#options
    const queue = deadQueueOf(this.#queue)
    try {
      const problem = await declareQueue(connection, queue, { durable: true, arguments: {} })
      // It may be there all the same, declared by a user that may.
      if (problem !== undefined) log.warn({ queue, problem }, 'dead_letters.queue_refused')
      const channel = await connection.createChannel()
      channel.on('error', (error) => log.warn(errorFields(error), 'dead_letters.channel_closed'))
      channel.on('close', () => this.#openLater())
      await channel.prefetch(PREFETCH)
      await channel.consume(queue, (message) => {
        if (message === null) void channel.close().catch(() => {})
        else void take(this.#options, channel, this.#queue, message)
      })
    } catch (error) {
      log.warn({ queue, ...errorFields(error) }, 'dead_letters.not_consumed')
      this.#openLater()
    }
  }

  #openLater(): void {
    clearTimeout(this.#timer)
    if (this.#isConnected) this.#timer = setTimeout(() => void this.open(), REOPEN_MS)
  }
}

async function take(
  { onDeadLetter, log }: DeadLettersOptions,
  channel: Channel,
  queue: string,
  message: ConsumeMessage,
): Promise<void> {
  const reason = String(message.properties.headers?.['x-first-death-reason'] ?? 'unknown')
  const run = runOf(message)
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

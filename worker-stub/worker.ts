import { setMaxListeners } from 'node:events'
import { connectRabbitmq, declareQueue, deliveryOf, runOf } from '../src/rabbitmq/connect.ts'
import { errorFields } from '../src/telemetry/log.ts'
import { Answers } from './answers.ts'
import { attempt } from './attempt.ts'
import { Cancels } from './cancels.ts'
import type { Channel, ChannelModel, ConsumeMessage, RecoveringChannelModel } from 'amqplib'
import type { Dialect, QueueOptions } from '../src/dialect.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { Log } from '../src/telemetry/log.ts'
import type { AttemptOptions } from './attempt.ts'
import type { Engine } from './engine.ts'

export interface WorkerOptions {
  readonly rabbitUrl: string
  readonly redis: RedisConnection
  /** To the same Redis, for subscriptions alone. Without it, jobs run to their end also when they are cancelled. */
  readonly subscriber: RedisConnection
  readonly redisUrl: string
  readonly queue: string
  readonly queueOptions: (queue: string) => QueueOptions
  readonly dialect: Dialect
  readonly engine: Engine
  /** Jobs at a time; also the prefetch, so that the others stay for other workers. */
  readonly concurrency: number
  readonly resultTtlMs: number
  readonly log: Log
}

/**
 * Takes jobs from the queue and acknowledges each after its result is written: a
 * job it dies over goes to another worker. The first result of a run stands, so
 * that one run twice has one outcome.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #cancels: Cancels
  readonly #attempt: AttemptOptions
  #model: RecoveringChannelModel | undefined
  #stopConsuming: (() => Promise<unknown>) | undefined
  #isStopping = false

  constructor(options: WorkerOptions) {
    this.#options = options
    const stop = this.#stop.signal
    // Every running job listens to it.
    setMaxListeners(0, stop)
    this.#cancels = new Cancels(options)
    const answers = new Answers(options, stop)
    this.#attempt = { ...options, answers, cancels: this.#cancels, stop }
  }

  async open(): Promise<void> {
    const { rabbitUrl, log } = this.#options
    this.#model = await connectRabbitmq({
      name: 'protollm-worker-stub',
      url: rabbitUrl,
      setup: (connection) => this.#consume(connection),
      log,
    })
  }

  /** How many jobs it has taken and not ended yet. */
  get running(): number {
    return this.#running.size
  }

  /** Takes nothing new; what still runs after `graceMs` is left to another worker. */
  async close(graceMs: number): Promise<void> {
    this.#isStopping = true
    await this.#stopConsuming?.().catch(() => {})
    const grace = setTimeout(() => this.#stop.abort(), graceMs)
    await Promise.allSettled(this.#running)
    clearTimeout(grace)
    this.#cancels.close()
    await this.#model?.close().catch(() => {})
  }

  async #consume(connection: ChannelModel): Promise<void> {
    const { queue, queueOptions, concurrency, dialect, log } = this.#options
    const problem = await declareQueue(connection, queue, queueOptions(queue))
    if (problem !== undefined) log.error({ queue, problem }, 'worker.queue_refused')
    const channel = await connection.createChannel()
    channel.on('error', (error) => log.warn(errorFields(error), 'worker.channel_closed'))
    // Closed by the broker alone, over a deleted queue say, it is opened again by way of a new connection.
    channel.on('close', () => void (this.#isStopping || connection.close().catch(() => {})))
    await channel.prefetch(concurrency)
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) void channel.close().catch(() => {})
      else this.#track(this.#take(channel, message))
    })
    this.#stopConsuming = () => channel.cancel(consumerTag)
    log.info({ queue, concurrency, dialect: dialect.name }, 'worker.consuming')
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  /** Never rejects. A message that is not acknowledged here comes back when the channel closes. */
  async #take(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { dialect, queue } = this.#options
    try {
      const { job, wireId } = dialect.decodeJob(deliveryOf(message), queue)
      const run = runOf(message)
      const isRedelivered = message.fields.redelivered
      await attempt({ job, wireId, run, isRedelivered }, this.#attempt)
      channel.ack(message)
    } catch (error) {
      this.#refuse(channel, message, error)
    }
  }

  /** A message nobody can read would come back for ever; one that was cut off by the stop must come back. */
  #refuse(channel: Channel, message: ConsumeMessage, error: unknown): void {
    const { log } = this.#options
    const isStopped = this.#stop.signal.aborted
    if (isStopped) log.info('job.given_back')
    else log.warn(errorFields(error), 'job.refused')
    try {
      channel.nack(message, false, isStopped)
    } catch {
      // The channel is gone: the broker has the message back already.
    }
  }
}

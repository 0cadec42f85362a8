import { setMaxListeners } from 'node:events'
import { connectRabbitmq, declareQueue, deliveryOf, runOf } from '../src/rabbitmq/connect.ts'
import { errorFields } from '../src/telemetry/log.ts'
import { Answers } from './answers.ts'
import { attempt } from './attempt.ts'
import { Cancels } from './cancels.ts'
import { Intake } from './intake.ts'
import { GiveBack, ServerWatch } from './server-watch.ts'
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
  readonly #intake: Intake
  readonly #server: ServerWatch | undefined
  #model: RecoveringChannelModel | undefined
  #isStopping = false

  constructor(options: WorkerOptions) {
    this.#options = options
    const stop = this.#stop.signal
    // Every running job listens to it.
    setMaxListeners(0, stop)
    this.#cancels = new Cancels(options)
    const answers = new Answers(options, stop)
    this.#intake = new Intake(options.queue, (channel, message) => {
      this.#track(this.#take(channel, message))
    })
    const { engine, log } = options
    this.#server =
      engine.server &&
      new ServerWatch({
        server: engine.server,
        pause: () => this.#intake.pause(),
        resume: () => void (this.#isStopping || this.#intake.resume()),
        log,
      })
    this.#attempt = { ...options, answers, cancels: this.#cancels, stop, server: this.#server }
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

  /** The engine's server is away, so this worker takes no jobs. */
  get isPaused(): boolean {
    return this.#server?.isAway ?? false
  }

  /** Takes nothing new; what still runs after `graceMs` is left to another worker. */
  async close(graceMs: number): Promise<void> {
    this.#isStopping = true
    await this.#intake.pause()
    this.#server?.close()
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
    // Closed by the broker alone, over a deleted queue say, a new connection opens it again.
    channel.on('close', () => void (this.#isStopping || connection.close().catch(() => {})))
    await channel.prefetch(concurrency)
    await this.#intake.attach(channel)
    if (this.#server?.isAway) return
    log.info({ queue, concurrency, dialect: dialect.name }, 'worker.consuming')
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  /** Never rejects. A message that is not acknowledged here comes back when the channel closes. */
  async #take(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { dialect, queue } = this.#options
    const run = runOf(message)
    let wireId: string | undefined
    try {
      const decoded = dialect.decodeJob(deliveryOf(message), queue)
      wireId = decoded.wireId
      const isRedelivered = message.fields.redelivered
      const task = { job: decoded.job, wireId, run, isRedelivered, ...endOf(message) }
      await attempt(task, this.#attempt)
      channel.ack(message)
    } catch (error) {
      const isGivenBack = this.#stop.signal.aborted || error instanceof GiveBack
      if (isGivenBack && wireId !== undefined) await this.#attempt.answers.giveBack(wireId, run)
      this.#refuse(channel, message, error, isGivenBack)
    }
  }

  /** A message that no worker can read would come back for ever; one that the stop cut off, or that was not run, must come back. */
  #refuse(channel: Channel, message: ConsumeMessage, error: unknown, isGivenBack: boolean): void {
    const { log } = this.#options
    if (isGivenBack) log.info('job.given_back')
    else log.warn(errorFields(error), 'job.refused')
    try {
      channel.nack(message, false, isGivenBack)
    } catch {
      // The channel is gone: the broker has the message back already.
    }
  }
}

/** What a message says of its job's life: the time from the publish on. Counted from here, it is never too short. */
function endOf({ properties }: ConsumeMessage): { endsAt?: number } {
  const lifeMs = Number(properties.expiration as unknown)
  return lifeMs > 0 ? { endsAt: performance.now() + lifeMs } : {}
}

import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { connectRabbitmq, declareQueue, deliveryOf } from '../src/rabbitmq/connect.ts'
import { cancelKey, claimKey } from '../src/redis/keys.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { Channel, ChannelModel, ConsumeMessage, RecoveringChannelModel } from 'amqplib'
import type { Dialect, QueueOptions } from '../src/dialect.ts'
import type { Job, Outcome } from '../src/job.ts'
import type { RedisConnection } from '../src/redis/connect.ts'
import type { Log } from '../src/telemetry/log.ts'
import type { Engine } from './engine.ts'

/** Between two tries at a Redis that is away or refuses to write. */
const RETRY_MS = 1_000

export interface WorkerOptions {
  readonly rabbitUrl: string
  readonly redis: RedisConnection
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
 * Takes jobs from the queue, runs the engine, writes the result, and only then
 * acknowledges: a job it dies over goes to another worker. The first result of
 * a run stands, so that one run twice has one outcome.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #model: RecoveringChannelModel | undefined
  #stopConsuming: (() => Promise<unknown>) | undefined
  #isStopping = false

  constructor(options: WorkerOptions) {
    this.#options = options
    // Every running job listens to it.
    setMaxListeners(0, this.#abort.signal)
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

  /** Takes nothing new; what still runs after `graceMs` is left to another worker. */
  async close(graceMs: number): Promise<void> {
    this.#isStopping = true
    await this.#stopConsuming?.().catch(() => {})
    const grace = setTimeout(() => this.#abort.abort(), graceMs)
    await Promise.allSettled(this.#running)
    clearTimeout(grace)
    await this.#model?.close().catch(() => {})
  }

  async #consume(connection: ChannelModel): Promise<void> {
    const { queue, queueOptions, concurrency, log } = this.#options
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
    log.info({ queue, concurrency }, 'worker.consuming')
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  /** Never rejects. A message that is not acknowledged here comes back when the channel closes. */
  async #take(channel: Channel, message: ConsumeMessage): Promise<void> {
    const { dialect, log, queue } = this.#options
    try {
      const { job, wireId } = dialect.decodeJob(deliveryOf(message), queue)
      const run = String(message.properties.correlationId ?? '')
      const look = await this.#look(wireId, run, message.fields.redelivered)
      if (look !== 'run') {
        log.info({ job: job.id, reason: look }, 'job.skipped')
      } else {
        const started = performance.now()
        const outcome = await this.#run(job)
        const written = await this.#write(wireId, outcome, run)
        const ms = Math.round(performance.now() - started)
        // The type alone: a failure's message may quote what a user wrote.
        const failure = outcome.kind === 'failed' ? { failure: outcome.type } : {}
        log.info({ job: job.id, outcome: outcome.kind, ...failure, ms, written }, 'job.done')
      }
      channel.ack(message)
    } catch (error) {
      this.#refuse(channel, message, error)
    }
  }

  /** A fault of the engine is an outcome too: somebody waits for one. */
  async #run(job: Job): Promise<Outcome> {
    try {
      return await this.#options.engine.run(job, this.#abort.signal)
    } catch (error) {
      this.#abort.signal.throwIfAborted()
      this.#options.log.error({ job: job.id, ...errorFields(error) }, 'job.engine_failed')
      return { kind: 'failed', type: 'worker_error', message: 'the engine failed unexpectedly' }
    }
  }

  /** A message nobody can read would come back for ever; one that was cut off by the stop must come back. */
  #refuse(channel: Channel, message: ConsumeMessage, error: unknown): void {
    const { log } = this.#options
    if (this.#abort.signal.aborted) log.info('job.given_back')
    else log.warn(errorFields(error), 'job.refused')
    try {
      channel.nack(message, false, this.#abort.signal.aborted)
    } catch {
      // The channel is gone: the broker has the message back already.
    }
  }

  #look(wireId: string, run: string, isRedelivered: boolean): Promise<string> {
    const [key] = this.#options.dialect.resultKeys(wireId)
    const keys = [claimKey(key), cancelKey(key), key]
    return this.#insist((client) => client.lookBeforeRun(keys, [run, isRedelivered ? '1' : '0']))
  }

  #write(wireId: string, outcome: Outcome, run: string): Promise<string> {
    const { dialect, resultTtlMs } = this.#options
    const [key] = dialect.resultKeys(wireId)
    const writes = dialect.encodeOutcome(wireId, outcome, run === '' ? undefined : run)
    const keys = [claimKey(key), ...writes.map((write) => write.key)]
    const values = writes.map((write) => write.value)
    return this.#insist((client) =>
      client.writeAnswer(keys, [run, String(resultTtlMs), '', ...values]),
    )
  }

  /** An outcome has cost GPU time: as long as Redis cannot take it, it is kept and tried again. */
  async #insist<T>(command: (client: RedisConnection['client']) => Promise<T>): Promise<T> {
    const { redis, log } = this.#options
    const { signal } = this.#abort
    for (;;) {
      try {
        if (await redis.link.until(RETRY_MS)) return await command(redis.client)
      } catch (error) {
        log.warn(errorFields(error), 'worker.redis_refused')
        await delay(RETRY_MS, undefined, { signal })
      }
      signal.throwIfAborted()
    }
  }
}

import { IllegalOperationError } from 'amqplib'
import { GatewayError, notConnected } from '../errors.ts'
import { Link } from '../link.ts'
import { errorFields } from '../telemetry/log.ts'
import { Broadcasts } from './broadcasts.ts'
import { connectRabbitmq, isForOperator, runOf } from './connect.ts'
import { consumeDeadLetters } from './dead-letters.ts'
import { LargeMessages } from './large-messages.ts'
import { noSuchQueue, propertiesOf, refusalName, silent } from './publication.ts'
import { QueueWatch } from './queue-watch.ts'
import { SizeLimit } from './size-limit.ts'
import { tryPublish } from './trial.ts'
import type { ChannelModel, ConfirmChannel, RecoveringChannelModel } from 'amqplib'
import type { Broadcast, QueueOptions } from '../dialect.ts'
import type { OnDeadLetter } from './dead-letters.ts'
import type { OnAnswer, Publication } from './publication.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** A broker that has not confirmed a message by then gets no other, until it does. */
export const CONFIRM_DEADLINE_MS = 5_000

/** `lost`: the channel went away before the broker answered; the message may be queued or not. */
export type Confirmation = 'confirmed' | 'lost'

export interface BrokerOptions {
  readonly url: string
  readonly queues: readonly string[]
  readonly queueOptions: (queue: string) => QueueOptions
  /** Takes what the broker has given up, where the queues have a place for that. */
  readonly onDeadLetter?: OnDeadLetter | undefined
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Our link to RabbitMQ: one connection, one confirm channel, and another one for messages that are
 * larger than any before. `link` is ready while a message can be published: connected, not blocked
 * by an alarm, and not silent.
 */
export class Broker {
  readonly link = new Link()
  readonly #options: BrokerOptions
  readonly #queues: QueueWatch
  readonly #broadcasts: Broadcasts
  readonly #limit = new SizeLimit()
  readonly #large: LargeMessages
  /** Messages the broker gave back: the return always precedes the confirm. */
  readonly #returned = new Set<string>()
  #model: RecoveringChannelModel | undefined
  #channel: ConfirmChannel | undefined
  #isBlocked = false
  /** Queues that owe a confirm for longer than the deadline: one without a majority may, and the others not. */
  readonly #silent = new Set<string>()

  constructor(options: BrokerOptions) {
    this.#options = options
    this.#queues = new QueueWatch(options.queues, options.queueOptions, options.log)
    this.#broadcasts = new Broadcasts(options.log)
    this.#large = new LargeMessages({
      limit: this.#limit,
      publish: (publication, onAnswer) => this.#sendSafe(publication, onAnswer),
      open: (connection) => this.#openChannel(connection),
    })
  }

  async open(): Promise<void> {
    const { url, log } = this.#options
    this.#model = await connectRabbitmq({
      name: 'protollm-gateway',
      url,
      setup: (connection) => this.#setUp(connection),
      log,
    })
    this.#model.on('connect-failed', (error: unknown) => this.#down(error))
  }

  /** An alarm of the broker: it takes no message until memory or disk is free again. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  get isConnected(): boolean {
    return this.#channel !== undefined
  }

  /** Whether jobs for the default queue can be taken. */
  get isReady(): boolean {
    return this.link.ready && this.#queues.problem === undefined
  }

  describe(): string {
    return this.link.ready ? this.#queues.describe() : this.link.reason
  }

  get queues(): QueueWatch['known'] {
    return this.#queues.known
  }

  workersOf(queue: string): number | undefined {
    return this.#queues.workersOf(queue)
  }

  /** Asks the broker, where we know of none. */
  async hasWorkers(queue: string): Promise<boolean> {
    if (this.#queues.workersOf(queue) === 0) await this.#queues.look()
    return this.#queues.workersOf(queue) !== 0
  }

  /**
   * Hands a message to the broker; resolves when it is known what became of it.
   * Rejects when it was not accepted: not sent, given back or refused. One promise
   * and no more: each one costs every request.
   */
  publish(publication: Publication): Promise<Confirmation> {
    const { publishes, confirmSeconds } = this.#options.metrics
    const started = performance.now()
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown): void => {
        publishes.inc({ result: refusalName(error) })
        reject(error as Error)
      }
      const late = setTimeout(() => {
        // What was not sent is not accepted.
        if (this.#large.takeBack(publication)) refuse(silent(publication.queue))
        else this.#fallSilent(publication)
      }, CONFIRM_DEADLINE_MS)
      try {
        this.#send(publication, (error) => {
          clearTimeout(late)
          const refusal = this.#refusalOf(publication, error)
          if (refusal !== undefined) return refuse(refusal)
          publishes.inc({ result: error === null ? 'confirmed' : 'lost' })
          if (error !== null) return resolve('lost')
          confirmSeconds.observe((performance.now() - started) / 1000)
          resolve('confirmed')
        })
      } catch (error) {
        clearTimeout(late)
        refuse(error)
      }
    })
  }

  #send(publication: Publication, onAnswer: OnAnswer): void {
    const { queue, delivery } = publication
    if (this.#isBlocked) {
      throw new GatewayError('broker_blocked', 'the broker takes no messages now')
    }
    if (this.#silent.has(queue)) throw silent(queue)
    if (this.#channel === undefined) throw notConnected(this.link)
    const tooLarge = this.#limit.refusalOf(delivery.body.length)
    if (tooLarge !== undefined) throw tooLarge
    if (this.#limit.isSafe(delivery.body.length)) this.#sendSafe(publication, onAnswer)
    else this.#large.publish(publication, onAnswer)
  }

  /** By the usual channel, beside many others. */
  #sendSafe(publication: Publication, onAnswer: OnAnswer): void {
    const { queue, delivery } = publication
    if (this.#channel === undefined) throw notConnected(this.link)
    try {
      this.#channel.publish('', queue, delivery.body, propertiesOf(publication), onAnswer)
    } catch (cause) {
      throw cause instanceof IllegalOperationError ? notConnected(this.link) : cause
    }
  }

  /** What the broker's answer says against the message, if anything. */
  #refusalOf(
    { queue, run, messageId }: Publication,
    error: Error | null,
  ): GatewayError | undefined {
    if (error instanceof GatewayError) return error
    const isNacked = error?.message === NACKED
    // Whatever the answer is, the broker has given one.
    if (error === null || isNacked) this.#heard(queue)
    if (this.#returned.size > 0 && this.#returned.delete(returnKey(run, messageId))) {
      return noSuchQueue(queue, this.#queues.problemOf(queue))
    }
    if (!isNacked) return undefined
    return new GatewayError('queue_full', `queue ${queue} is full: the broker refused the message`)
  }

  /** To all workers, as far as they can be reached now: best effort. */
  broadcast(broadcast: Broadcast): void {
    this.#broadcasts.send(broadcast)
  }

  /** Waits for outstanding confirms first: closing would make them look lost. */
  async close(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise((resolve) => {
      timer = setTimeout(resolve, deadlineMs)
    })
    const usual = this.#channel?.waitForConfirms() ?? Promise.resolve()
    const confirmed = Promise.allSettled([usual, this.#large.settled()])
    await Promise.race([confirmed, deadline])
    // A silent broker never answers the closing either.
    await Promise.race([this.#model?.close().catch(() => {}), deadline])
    clearTimeout(timer)
    this.link.down('closed')
  }

  /** Runs for every new connection. All that hangs on it is made here, and let go when it closes. */
  async #setUp(connection: ChannelModel): Promise<void> {
    connection.on('blocked', (reason: string) => this.#block(reason))
    connection.on('unblocked', () => this.#unblock())
    connection.on('close', (error?: Error) => {
      this.#channel = undefined
      this.#isBlocked = false
      this.#silent.clear()
      this.#down(error ?? new Error('connection closed'))
    })
    this.#limit.forget()
    const { queues, onDeadLetter, log } = this.#options
    // Before the queues that point to it: a message without a place to go stays where it is.
    if (onDeadLetter !== undefined)
      await consumeDeadLetters({ connection, queues, onDeadLetter, log })
    await this.#queues.attach(connection)
    this.#broadcasts.attach(connection)
    this.#large.attach(connection)
    await this.#openUsual(connection)
  }

  async #openChannel(connection: ChannelModel): Promise<ConfirmChannel> {
    const channel = await connection.createConfirmChannel()
    channel.on('return', (message) => {
      if (message.properties.messageId === undefined) return
      this.#returned.add(returnKey(runOf(message), String(message.properties.messageId)))
      void this.#queues.look()
    })
    // Without a listener the library takes a channel's error for the connection's.
    channel.on('error', (error) => {
      this.#limit.learn(error as Error)
      this.#options.log.warn(errorFields(error), 'broker.channel_closed')
    })
    return channel
  }

  async #openUsual(connection: ChannelModel): Promise<void> {
    const channel = await this.#openChannel(connection)
    await tryPublish(connection, channel)
    channel.on('close', () => this.#reopen(connection, channel))
    this.#channel = channel
    this.#returned.clear()
    this.#silent.clear()
    if (!this.#isBlocked) this.link.up()
  }

  /** A channel the broker closed stays closed; the connection may well stand. */
  #reopen(connection: ChannelModel, channel: ConfirmChannel): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    this.link.down('the channel was closed')
    // If that fails, a new connection is the way out; often it is under way already.
    this.#openUsual(connection).catch(() => connection.close().catch(() => {}))
  }

  #down(error: unknown): void {
    this.link.down(errorFields(error).error, { needsOperator: isForOperator(error) })
  }

  #block(reason: string): void {
    this.#isBlocked = true
    this.link.down(`blocked by the broker: ${reason}`)
    this.#options.log.error({ reason }, 'broker.blocked')
  }

  #unblock(): void {
    this.#isBlocked = false
    if (this.#channel !== undefined && !this.#isDefaultSilent) this.link.up()
    this.#options.log.info('broker.unblocked')
  }

  /** It has what we sent and does not confirm it: a request that came now would get no confirm either. */
  #fallSilent({ queue, onLate }: Publication): void {
    this.#options.metrics.publishes.inc({ result: 'late' })
    if (this.#isBlocked || this.#channel === undefined) return
    onLate?.()
    this.#silent.add(queue)
    if (this.#isDefaultSilent) this.link.down(`no confirm for ${CONFIRM_DEADLINE_MS / 1000} s`)
    this.#options.log.error({ queue }, 'broker.silent')
  }

  #heard(queue: string): void {
    if (!this.#silent.delete(queue)) return
    if (!this.#isDefaultSilent && !this.#isBlocked && this.#channel !== undefined) this.link.up()
    this.#options.log.info({ queue }, 'broker.heard_again')
  }

  get #isDefaultSilent(): boolean {
    return this.#silent.has(this.#options.queues[0] as string)
  }
}

/** In the library's words. */
const NACKED = 'message nacked'
const returnKey = (run: string, messageId: string): string => `${run} ${messageId}`

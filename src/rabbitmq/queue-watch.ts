import { declareQueue } from './connect.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Channel, ChannelModel } from 'amqplib'
import type { QueueOptions } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'

const INTERVAL_MS = 5_000

interface QueueState {
  readonly workers: number
  /** Ready, not those a worker holds: one without a prefetch holds its whole backlog. */
  readonly waiting: number
}

/**
 * The queues as the broker sees them: declared on each new connection, looked at
 * every 5 s, so that one can tell why nothing happens.
 */
export class QueueWatch {
  readonly #queues: readonly string[]
  readonly #options: QueueOptions
  readonly #log: Log
  readonly #states = new Map<string, QueueState | { readonly problem: string }>()
  #timer: NodeJS.Timeout | undefined
  #channel: Channel | undefined

  constructor(queues: readonly string[], options: QueueOptions, log: Log) {
    this.#queues = queues
    this.#options = options
    this.#log = log
  }

  /** How many workers take jobs from this queue; undefined when that is not known. */
  workersOf(queue: string): number | undefined {
    const state = this.#states.get(queue)
    return state !== undefined && 'workers' in state ? state.workers : undefined
  }

  describe(): string {
    return [...this.#states]
      .map(([queue, state]) =>
        'problem' in state
          ? `queue ${queue}: ${state.problem}`
          : `queue ${queue}: ${state.workers} workers, ${state.waiting} jobs waiting`,
      )
      .join('; ')
  }

  /** Belongs into the setup of a connection: rejects when that is lost meanwhile. */
  async attach(connection: ChannelModel): Promise<void> {
    for (const queue of this.#queues) {
      const problem = await declareQueue(connection, queue, this.#options)
      if (problem === undefined) continue
      this.#states.set(queue, { problem })
      this.#log.error({ queue, problem }, 'broker.queue_refused')
    }
    const look = (): void => void this.#look(connection).catch(() => {})
    this.#timer = setInterval(look, INTERVAL_MS)
    connection.on('close', () => this.detach())
    look()
  }

  detach(): void {
    clearInterval(this.#timer)
    this.#channel = undefined
    this.#states.clear()
  }

  async #look(connection: ChannelModel): Promise<void> {
    for (const queue of this.#queues) {
      try {
        this.#channel ??= await this.#open(connection)
        const { consumerCount: workers, messageCount: waiting } =
          await this.#channel.checkQueue(queue)
        this.#states.set(queue, { workers, waiting })
      } catch (error) {
        // A queue that is not there closes the channel.
        this.#channel = undefined
        this.#states.set(queue, { problem: errorFields(error).error })
      }
    }
  }

  async #open(connection: ChannelModel): Promise<Channel> {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    return channel
  }
}

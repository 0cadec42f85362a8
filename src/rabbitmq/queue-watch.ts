import { Outage } from '../telemetry/outage.ts'
import { declareQueue } from './connect.ts'
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
  readonly #optionsOf: (queue: string) => QueueOptions
  readonly #log: Log
  readonly #states = new Map<string, QueueState | { readonly problem: string }>()
  /** Of the queues in which jobs wait that no worker takes. */
  readonly #idle = new Map<string, Outage>()
  #timer: NodeJS.Timeout | undefined
  #channel: Channel | undefined
  #connection: ChannelModel | undefined
  #looking: Promise<void> | undefined

  constructor(queues: readonly string[], optionsOf: (queue: string) => QueueOptions, log: Log) {
    this.#queues = queues
    this.#optionsOf = optionsOf
    this.#log = log
  }

  /** How many workers take jobs from this queue; undefined when that is not known. */
  workersOf(queue: string): number | undefined {
    const state = this.#states.get(queue)
    return state !== undefined && 'workers' in state ? state.workers : undefined
  }

  /** What is known of each queue, for the metrics. */
  get known(): readonly {
    readonly queue: string
    readonly workers: number
    readonly waiting: number
  }[] {
    return [...this.#states].flatMap(([queue, state]) =>
      'problem' in state ? [] : [{ queue, ...state }],
    )
  }

  describe(): string {
    return [...this.#states]
      .map(([queue, state]) =>
        'problem' in state
          ? `queue ${queue}: ${state.problem}`
          : `queue ${queue}: workers ${state.workers}, jobs waiting ${state.waiting}`,
      )
      .join('; ')
  }

  /** Why the queue cannot be declared; undefined where it can. */
  problemOf(queue: string): string | undefined {
    const state = this.#states.get(queue)
    return state !== undefined && 'problem' in state ? state.problem : undefined
  }

  /** Why jobs for the first queue, the default one, cannot be taken; undefined while they can. */
  get problem(): string | undefined {
    const [first] = this.#states.values()
    return first !== undefined && 'problem' in first ? first.problem : undefined
  }

  /** Belongs into the setup of a connection: rejects when that is lost meanwhile. */
  async attach(connection: ChannelModel): Promise<void> {
    for (const queue of this.#queues) await this.#declare(connection, queue)
    this.#connection = connection
    this.#timer = setInterval(() => void this.look(), INTERVAL_MS)
    connection.on('close', () => this.#detach())
    void this.look()
  }

  /** Now, and not only with the next turn. One look at a time, for all who ask for one. */
  look(): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return Promise.resolve()
    this.#looking ??= this.#lookAtAll(connection)
      .catch(() => {})
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  #detach(): void {
    clearInterval(this.#timer)
    this.#connection = undefined
    this.#channel = undefined
  }

  async #declare(connection: ChannelModel, queue: string): Promise<void> {
    const problem = await declareQueue(connection, queue, this.#optionsOf(queue), (difference) =>
      this.#log.warn({ queue, difference }, 'broker.queue_differs'),
    )
    const before = this.#states.get(queue)
    if (problem === undefined) {
      this.#states.set(queue, { workers: 0, waiting: 0 })
      return
    }
    this.#states.set(queue, { problem })
    const isNews = before === undefined || !('problem' in before) || before.problem !== problem
    if (isNews) this.#log.error({ queue, problem }, 'broker.queue_refused')
  }

  async #lookAtAll(connection: ChannelModel): Promise<void> {
    for (const queue of this.#queues) {
      try {
        this.#channel ??= await this.#open(connection)
        const { consumerCount: workers, messageCount: waiting } =
          await this.#channel.checkQueue(queue)
        this.#states.set(queue, { workers, waiting })
        this.#warn(queue, { workers, waiting })
      } catch {
        // A queue that is not there closes the channel; a worker that comes back would declare it, so we do.
        this.#channel = undefined
        await this.#declare(connection, queue)
      }
    }
  }

  /** Jobs that no worker takes look to their clients like a slow model. */
  #warn(queue: string, { workers, waiting }: QueueState): void {
    const idle = this.#idle.get(queue) ?? new Outage()
    this.#idle.set(queue, idle)
    if (workers > 0 || waiting === 0) idle.over()
    else {
      idle.tell('', (since) => this.#log.warn({ queue, waiting, ...since }, 'queue.no_workers'))
    }
  }

  async #open(connection: ChannelModel): Promise<Channel> {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    return channel
  }
}

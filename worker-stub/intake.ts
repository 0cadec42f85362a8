import type { Channel, ConsumeMessage } from 'amqplib'

/** Takes messages from the queue of the newest channel, unless it is paused. One step at a time. */
export class Intake {
  readonly #queue: string
  readonly #onMessage: (channel: Channel, message: ConsumeMessage) => void
  #channel: Channel | undefined
  #tag: string | undefined
  #isPaused = false
  #steps: Promise<void> = Promise.resolve()

  constructor(queue: string, onMessage: (channel: Channel, message: ConsumeMessage) => void) {
    this.#queue = queue
    this.#onMessage = onMessage
  }

  /** Takes the place of a channel that is gone. Resolves when messages come, or when it is paused. */
  attach(channel: Channel): Promise<void> {
    this.#channel = channel
    this.#tag = undefined
    return this.#step()
  }

  /** Resolves when no further message comes. */
  async pause(): Promise<void> {
    this.#isPaused = true
    // From a channel that is gone none comes either.
    await this.#step().catch(() => {})
  }

  /** A channel that is gone meanwhile has a successor, which takes messages then. */
  async resume(): Promise<void> {
    this.#isPaused = false
    await this.#step().catch(() => {})
  }

  #step(): Promise<void> {
    const step = this.#steps.then(() => this.#adjust())
    this.#steps = step.catch(() => {})
    return step
  }

  async #adjust(): Promise<void> {
    const channel = this.#channel
    if (channel === undefined) return
    if (this.#isPaused) {
      const tag = this.#tag
      this.#tag = undefined
      if (tag !== undefined) await channel.cancel(tag)
    } else if (this.#tag === undefined) {
      const { consumerTag } = await channel.consume(this.#queue, (message) => {
        if (message === null) void channel.close().catch(() => {})
        else this.#onMessage(channel, message)
      })
      if (channel === this.#channel) this.#tag = consumerTag
    }
  }
}

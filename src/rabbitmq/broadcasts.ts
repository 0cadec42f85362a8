import { contentProperties } from './connect.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Channel, ChannelModel } from 'amqplib'
import type { Broadcast } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'

/**
 * Messages to all workers at once, through an exchange that they declare. On a
 * channel of its own, opened with the first: where no worker has declared the
 * exchange yet, the broker closes it, and no worker needs the message.
 */
export class Broadcasts {
  readonly #log: Log
  #connection: ChannelModel | undefined
  #channel: Promise<Channel> | undefined

  constructor(log: Log) {
    this.#log = log
  }

  attach(connection: ChannelModel): void {
    this.#connection = connection
    connection.on('close', () => {
      if (this.#connection === connection) this.#connection = undefined
      this.#channel = undefined
    })
  }

  send({ exchange, delivery }: Broadcast): void {
    this.#channel ??= this.#connection && this.#open(this.#connection)
    const channel = this.#channel
    if (channel === undefined) {
      // Its workers are cut off as well, or soon will be.
      return this.#log.warn({ exchange }, 'broker.broadcast_dropped')
    }
    channel
      .then((open) => open.publish(exchange, '', delivery.body, contentProperties(delivery)))
      .catch((error: unknown) => this.#failed(channel, error))
  }

  #open(connection: ChannelModel): Promise<Channel> {
    const opening = connection.createChannel().then((channel) => {
      channel.on('error', (error) => this.#failed(opening, error))
      channel.on('close', () => this.#forget(opening))
      return channel
    })
    return opening
  }

  #failed(channel: Promise<Channel>, error: unknown): void {
    this.#forget(channel)
    this.#log.warn(errorFields(error), 'broker.broadcast_failed')
  }

  /** A new connection may have a new one already. */
  #forget(channel: Promise<Channel>): void {
    if (this.#channel === channel) this.#channel = undefined
  }
}

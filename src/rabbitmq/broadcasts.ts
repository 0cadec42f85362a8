import { contentProperties } from './connect.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Channel, ChannelModel } from 'amqplib'
import type { Broadcast } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'

/**
 * Messages to all workers at once, by way of an exchange that they declare. On a
 * channel of its own, opened with the first: where no worker has declared the
 * exchange yet, the broker closes it, and there is nobody to be told.
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
    this.#open()
      ?.then((channel) => channel.publish(exchange, '', delivery.body, contentProperties(delivery)))
      .catch((error: unknown) => this.#failed(error))
  }

  #open(): Promise<Channel> | undefined {
    this.#channel ??= this.#connection?.createChannel().then((channel) => {
      channel.on('error', (error) => this.#failed(error))
      channel.on('close', () => {
        this.#channel = undefined
      })
      return channel
    })
    return this.#channel
  }

  #failed(error: unknown): void {
    this.#channel = undefined
    this.#log.warn(errorFields(error), 'broker.broadcast_failed')
  }
}

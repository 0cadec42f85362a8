import { randomUUID } from 'node:crypto'
import type { ChannelModel, ConfirmChannel } from 'amqplib'

/**
 * Publishes a message that no queue gets. Rejects where the login may not publish at all: then
 * each job would close the channel, with the messages of the others. An alarm that begins now
 * leaves the question open.
 */
export function tryPublish(connection: ChannelModel, channel: ConfirmChannel): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.once('error', reject)
    connection.once('blocked', () => resolve())
    channel.publish('', `@trial-${randomUUID()}`, Buffer.alloc(0), { mandatory: true }, (error) => {
      if (error === null) resolve()
      else reject(error as Error)
    })
  })
}

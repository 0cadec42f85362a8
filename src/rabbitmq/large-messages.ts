import { propertiesOf } from './publication.ts'
import type { ChannelModel, ConfirmChannel } from 'amqplib'
import type { OnAnswer, Publication } from './publication.ts'
import type { SizeLimit } from './size-limit.ts'

interface Waiting {
  readonly publication: Publication
  readonly onAnswer: OnAnswer
}

export interface LargeMessagesOptions {
  readonly limit: SizeLimit
  /** Publishes a message by the usual channel. */
  readonly publish: (publication: Publication, onAnswer: OnAnswer) => void
  /** Opens a channel that reports what it returns and why it is closed. */
  readonly open: (connection: ChannelModel) => Promise<ConfirmChannel>
}

/**
 * Messages larger than any that has passed, one at a time and on a channel of their own: if the
 * broker closes the channel over one of them, no other message is on it. As soon as one has
 * passed, those that wait and are no larger take the usual channel.
 */
export class LargeMessages {
  readonly #options: LargeMessagesOptions
  readonly #waiting: Waiting[] = []
  #connection: ChannelModel | undefined
  #channel: Promise<ConfirmChannel> | undefined
  #sent: Waiting | undefined

  constructor(options: LargeMessagesOptions) {
    this.#options = options
  }

  attach(connection: ChannelModel): void {
    this.#connection = connection
    this.#channel = undefined
    connection.on('close', () => {
      if (this.#connection === connection) this.#connection = undefined
      this.#channel = undefined
      for (const { onAnswer } of this.#waiting.splice(0)) onAnswer(new Error('connection closed'))
    })
  }

  publish(publication: Publication, onAnswer: OnAnswer): void {
    this.#waiting.push({ publication, onAnswer })
    this.#sendNext()
  }

  /** Takes back a message that was not sent yet. False where it was. */
  takeBack(publication: Publication): boolean {
    const index = this.#waiting.findIndex((waiting) => waiting.publication === publication)
    if (index >= 0) this.#waiting.splice(index, 1)
    return index >= 0
  }

  /** Resolves when the broker has answered what was sent. */
  async settled(): Promise<void> {
    await (await this.#channel)?.waitForConfirms()
  }

  #sendNext(): void {
    while (this.#sent === undefined) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      const { publication, onAnswer } = next
      const bytes = publication.delivery.body.length
      const refusal = this.#options.limit.refusalOf(bytes)
      if (refusal !== undefined) onAnswer(refusal)
      else if (this.#options.limit.isSafe(bytes)) this.#sendUsually(next)
      else this.#send(next, bytes)
    }
  }

  #sendUsually({ publication, onAnswer }: Waiting): void {
    try {
      this.#options.publish(publication, onAnswer)
    } catch (error) {
      onAnswer(error as Error)
    }
  }

  #send(message: Waiting, bytes: number): void {
    this.#sent = message
    const { limit } = this.#options
    const { publication, onAnswer } = message
    const answered = (error: Error | null): void => {
      if (this.#sent !== message) return
      this.#sent = undefined
      if (error === null) limit.passed(bytes)
      onAnswer(error === null ? null : (limit.refusalOf(bytes) ?? error))
      this.#sendNext()
    }
    this.#open()
      .then((channel) => {
        const { queue, delivery } = publication
        channel.publish('', queue, delivery.body, propertiesOf(publication), answered)
      })
      .catch((error: unknown) => answered(error as Error))
  }

  #open(): Promise<ConfirmChannel> {
    const connection = this.#connection
    if (connection === undefined) return Promise.reject(new Error('connection closed'))
    this.#channel ??= this.#options.open(connection).then((channel) => {
      const closed = (): void => void (this.#channel = undefined)
      channel.on('close', closed)
      return channel
    })
    const opening = this.#channel
    opening.catch(() => {
      if (this.#channel === opening) this.#channel = undefined
    })
    return opening
  }
}

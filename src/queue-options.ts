import { deadQueueOf } from './dialect.ts'
import { NAME_BYTES, bytesOf } from './setting.ts'
import type { QueueOptions } from './dialect.ts'
import type { Problems } from './read-settings.ts'

/** What the settings say of queues. */
export interface QueueSet {
  readonly QUEUE_NAME: string
  readonly ALLOWED_QUEUES?: readonly string[]
  readonly QUEUE_TYPE: 'classic' | 'quorum'
  readonly QUEUE_DURABLE?: boolean | undefined
  readonly QUEUE_MAX_PRIORITY?: number | undefined
  readonly QUEUE_MAX_LENGTH?: number | undefined
  readonly DELIVERY_LIMIT: number
}

/** How each queue is declared: as its worker does it, unless the settings say otherwise. */
export function queueOptionsOf(
  set: QueueSet,
  ofWorker: QueueOptions,
  problems: Problems,
): (queue: string) => QueueOptions {
  if (set.QUEUE_TYPE === 'quorum') return quorumOptionsOf(set, problems)
  const { QUEUE_MAX_LENGTH: maxLength, QUEUE_MAX_PRIORITY: maxPriority } = set
  const durable = set.QUEUE_DURABLE ?? ofWorker.durable
  const bounded = maxLength === undefined ? {} : { 'x-max-length': maxLength, ...REFUSES }
  const priorities = maxPriority === undefined ? {} : { 'x-max-priority': maxPriority }
  return () => ({ durable, arguments: { ...ofWorker.arguments, ...priorities, ...bounded } })
}

const REFUSES = { 'x-overflow': 'reject-publish' }

function quorumOptionsOf(set: QueueSet, problems: Problems): (queue: string) => QueueOptions {
  const { QUEUE_MAX_LENGTH: maxLength, DELIVERY_LIMIT: deliveryLimit } = set
  if (set.QUEUE_DURABLE === false) {
    problems.add('QUEUE_DURABLE must not be false with QUEUE_TYPE quorum: those always are')
  }
  if (set.QUEUE_MAX_PRIORITY !== undefined) {
    problems.add('QUEUE_MAX_PRIORITY must not be set with QUEUE_TYPE quorum')
  }
  const isTooLong = (queue: string): boolean => bytesOf(deadQueueOf(queue)) > NAME_BYTES
  const tooLong = `must have at most ${NAME_BYTES - bytesOf(deadQueueOf(''))} bytes with QUEUE_TYPE quorum`
  if (isTooLong(set.QUEUE_NAME)) problems.add(`QUEUE_NAME ${tooLong}`)
  if (set.ALLOWED_QUEUES?.some(isTooLong)) problems.add(`ALLOWED_QUEUES ${tooLong}`)
  return (queue) => ({
    durable: true,
    arguments: {
      ...(maxLength !== undefined && { 'x-max-length': maxLength }),
      ...REFUSES,
      'x-queue-type': 'quorum',
      'x-delivery-limit': deliveryLimit,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': deadQueueOf(queue),
      // Needs reject-publish: https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering
      'x-dead-letter-strategy': 'at-least-once',
    },
  })
}

import { OWNER } from '../../job.ts'
import { engineBody, EMBEDDINGS } from './openai-request.ts'
import { priorityOf } from './service-tier.ts'
import { stopWordsIn, temperatureIn, tokensLimitIn } from './text-fields.ts'
import { textMessages } from './text-messages.ts'
import { refuseBeyondText } from './text-only.ts'
import type { Job, JobMeta, Message } from '../../job.ts'
import type { V1Options } from '../app-options.ts'
import type { OpenAiRequest } from './openai-request.ts'

/**
 * Beside a whole body, the messages are for workers that cannot read it. A longer text would
 * nearly double the message, which RabbitMQ takes up to 16 MB by default.
 */
const MAX_TEXT_BESIDE_BODY = 512 * 1024

/** The job of a request. Throws what a worker that takes only text would answer wrongly. */
export function jobOf(request: OpenAiRequest, id: string, { maxPriorityOf }: V1Options): Job {
  const { route, isVerbatim, tier } = request
  const { queue } = route
  const { priority } = priorityOf(tier, maxPriorityOf(queue))
  const meta = metaOf(request)
  const base = { id, owner: OWNER, queue, meta, priority, source: 'local' }
  if (!isVerbatim) {
    refuseBeyondText(request)
    return { ...base, messages: textMessages(request, 'strict') }
  }
  const { endpoint } = request
  return {
    ...base,
    messages: messagesBesideBody(request),
    request: { endpoint, body: engineBody(request) },
  }
}

function messagesBesideBody(request: OpenAiRequest): readonly Message[] {
  if (request.endpoint === EMBEDDINGS) return []
  const messages = textMessages(request, 'lenient')
  const length = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
  return length > MAX_TEXT_BESIDE_BODY ? [] : messages
}

/** `undefined` says that the client left it open. A value that is not of its type was not understood. */
function metaOf({ fields, route }: OpenAiRequest): JobMeta {
  return {
    temperature: temperatureIn(fields),
    tokensLimit: tokensLimitIn(fields),
    stopWords: stopWordsIn(fields) ?? null,
    model: route.name,
  }
}

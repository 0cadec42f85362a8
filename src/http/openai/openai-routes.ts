import { Hono } from 'hono'
import { clientOf, replayed, serverTiming } from '../context.ts'
import { idFromKey, newId } from '../job-id.ts'
import { sendEvents } from '../sse.ts'
import { answerOf } from './answer.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { HOLD_MS, heldBack } from './held-back.ts'
import { failureOf, openAiErrorOf } from './openai-errors.ts'
import { conflictOfKey, keyOf, waitOf } from './openai-headers.ts'
import { jobOf } from './openai-job.ts'
import { CHAT, COMPLETIONS, EMBEDDINGS, readRequest } from './openai-request.ts'
import { rememberUnanswered, unansweredJob } from './retried-requests.ts'
import { priorityOf } from './service-tier.ts'
import { ignoredIn } from './text-only.ts'
import type { Context } from 'hono'
import type { Job, JobEvent, JobView } from '../../job.ts'
import type { HttpEnv } from '../context.ts'
import type { Envelope } from './engine-json.ts'
import type { OpenAiOptions } from './openai-options.ts'
import type { OpenAiRequest } from './openai-request.ts'

/** The endpoints that make a job of each request. */
export function openAiRoutes(options: OpenAiOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  for (const endpoint of [CHAT, COMPLETIONS, EMBEDDINGS] as const) {
    routes.post(endpoint, async (c) => {
      const key = keyOf(c)
      const request = await readRequest(c, endpoint, options)
      return answer(c, request, key, options)
    })
  }
  return routes
}

async function answer(
  c: Context<HttpEnv>,
  request: OpenAiRequest,
  key: string | undefined,
  options: OpenAiOptions,
): Promise<Response> {
  const { unanswered } = options.v1
  const job = jobOf(request, key === undefined ? newId() : idFromKey(key), options.v1)
  if (key !== undefined) {
    // The client finds the job by its key, so that nothing has to be remembered.
    return run(c, request, job, { options, hasKey: true }).catch((error: unknown) => {
      throw conflictOfKey(error)
    })
  }
  const earlier = await unansweredJob(unanswered, request)
  const id = earlier ?? job.id
  try {
    return await run(c, request, { ...job, id }, { options, isAgain: earlier !== undefined })
  } catch (error) {
    await rememberUnanswered(unanswered, request, id, error)
    throw error
  }
}

interface RunOptions {
  readonly options: OpenAiOptions
  readonly hasKey?: boolean
  /** An equal request has begun the job, and its client got no outcome. */
  readonly isAgain?: boolean
}

async function run(
  c: Context<HttpEnv>,
  request: OpenAiRequest,
  job: Job,
  { options, hasKey = false, isAgain = false }: RunOptions,
): Promise<Response> {
  c.env.jobId = job.id
  const ignored = ignoredIn(request)
  const headers = {
    ...replayed(isAgain),
    ...(ignored !== undefined && { 'x-ignored-parameters': ignored }),
  }
  if (request.isStream) return stream(c, request, job, { options, headers, hasKey })
  const { gateway, limits } = options
  const client = clientOf(c.env.outgoing)
  const waitMs = waitOf(c, limits.timeoutMs)
  const found = await gateway.run(job, { client, waitMs, mayReturn: hasKey })
  const { outcome, isReplay, stages, view } = found
  if (outcome.kind !== 'succeeded') throw failureOf(outcome)
  const envelope = envelopeOf(request, job, options, view)
  return new Response(await answerOf(request, envelope, outcome), {
    headers: {
      'content-type': 'application/json',
      'x-job-id': job.id,
      'server-timing': serverTiming(stages),
      ...replayed(isReplay),
      ...headers,
    },
  })
}

interface StreamOptions {
  readonly options: OpenAiOptions
  readonly hasKey: boolean
  readonly headers: Readonly<Record<string, string>>
}

async function stream(
  c: Context<HttpEnv>,
  request: OpenAiRequest,
  job: Job,
  { options, headers, hasKey }: StreamOptions,
): Promise<Response> {
  const { gateway, log } = options
  const client = clientOf(c.env.outgoing)
  const events = gateway.stream(job, { client, isKept: false, mayReturn: hasKey })
  const writer = new ChunkWriter({
    kind: request.endpoint === CHAT ? 'chat' : 'completions',
    envelope: envelopeOf(request, job, options),
    isVerbatim: request.isVerbatim,
    wantsUsage: request.wantsUsage,
    errorOf: (error) => openAiErrorOf(error, c, log).object,
  })
  return sendEvents(c, failingAtOnce(heldBack(events, HOLD_MS)), writer, headers)
}

/** Throws where the job has failed before its first words, so that the answer has the error's status. */
async function* failingAtOnce(
  batches: AsyncGenerator<readonly JobEvent[]>,
): AsyncGenerator<readonly JobEvent[]> {
  let isFirst = true
  for await (const batch of batches) {
    const end = batch.at(-1)
    const hasNoWords = !batch.some(({ kind }) => kind === 'delta')
    if (isFirst && hasNoWords && end?.kind === 'done') {
      const { outcome } = end.view
      if (outcome?.kind !== 'succeeded') throw failureOf(outcome)
    }
    isFirst = false
    yield batch
  }
}

const PREFIX = { [CHAT]: 'chatcmpl-', [COMPLETIONS]: 'cmpl-', [EMBEDDINGS]: '' }
const OBJECT = { [CHAT]: 'chat.completion', [COMPLETIONS]: 'text_completion', [EMBEDDINGS]: 'list' }

function envelopeOf(
  { endpoint, model, tier, route, isStream }: OpenAiRequest,
  { id }: Job,
  { v1 }: OpenAiOptions,
  view?: JobView,
): Envelope {
  const isChunk = isStream && endpoint === CHAT
  return {
    id: `${PREFIX[endpoint]}${id}`,
    object: isChunk ? 'chat.completion.chunk' : OBJECT[endpoint],
    created: Math.floor((view?.createdAt ?? Date.now()) / 1000),
    model,
    tier: priorityOf(tier, v1.maxPriorityOf(route.queue)).tier,
  }
}

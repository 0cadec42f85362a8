import { Hono } from 'hono'
import { clientOf, replayed, serverTiming } from '../context.ts'
import { idFromKey, newId } from '../job-id.ts'
import { sendEvents } from '../sse.ts'
import { answerOf } from './answer.ts'
import { readAskedJob } from './asked-job.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { HOLD_MS, heldBack } from './held-back.ts'
import { failureOf, openAiErrorOf } from './openai-errors.ts'
import { conflictOfKey, keyOf, waitOf } from './openai-headers.ts'
import { CHAT, COMPLETIONS, EMBEDDINGS } from './openai-request.ts'
import { joinOrBegin } from './retried-requests.ts'
import { priorityOf } from './service-tier.ts'
import type { Context } from 'hono'
import type { JobEvent, JobView } from '../../job.ts'
import type { HttpEnv } from '../context.ts'
import type { Envelope } from './engine-json.ts'
import type { BudgetedOptions, OpenAiOptions } from './openai-options.ts'
import type { AskedJob } from './asked-job.ts'
import type { RequestFacts } from './openai-request.ts'

/** The endpoints that make a job of each request. */
export function openAiRoutes(options: BudgetedOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  for (const endpoint of [CHAT, COMPLETIONS, EMBEDDINGS] as const) {
    routes.post(endpoint, async (c) => {
      const key = keyOf(c)
      // A body may be large, so a gateway that is full refuses the request without it.
      options.gateway.look()
      const asked = await readAskedJob(c, endpoint, options)
      try {
        return await answer(c, asked, key, options)
      } finally {
        asked.close()
      }
    })
  }
  return routes
}

async function answer(
  c: Context<HttpEnv>,
  asked: AskedJob,
  key: string | undefined,
  options: OpenAiOptions,
): Promise<Response> {
  if (key === undefined) {
    return joinOrBegin(options.v1.unanswered, asked.name, newId, (id, isAgain) =>
      run(c, asked, id, { options, isAgain }),
    )
  }
  // The client finds the job by its key, so that nothing has to be remembered.
  return run(c, asked, idFromKey(key), { options, hasKey: true }).catch((error: unknown) => {
    throw conflictOfKey(error)
  })
}

interface RunOptions {
  readonly options: OpenAiOptions
  readonly hasKey?: boolean
  /** An equal request has begun the job, and its client got no outcome. */
  readonly isAgain?: boolean
}

async function run(
  c: Context<HttpEnv>,
  asked: AskedJob,
  id: string,
  { options, hasKey = false, isAgain = false }: RunOptions,
): Promise<Response> {
  c.env.jobId = id
  const { facts, ignored } = asked
  const headers = {
    ...replayed(isAgain),
    ...(ignored !== undefined && { 'x-ignored-parameters': ignored }),
  }
  if (facts.isStream) return stream(c, asked, id, { options, headers, hasKey })
  const { gateway, limits } = options
  const client = clientOf(c.env.outgoing)
  const waitMs = waitOf(c, limits.timeoutMs)
  const { job, content } = asked.under(id)
  const found = await gateway.run(job, { client, waitMs, mayReturn: hasKey, content })
  const { outcome, isReplay, stages, view } = found
  if (outcome.kind !== 'succeeded') throw failureOf(outcome)
  const envelope = envelopeOf(facts, id, options, view)
  return new Response(await answerOf(facts, envelope, outcome), {
    headers: {
      'content-type': 'application/json',
      'x-job-id': id,
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
  asked: AskedJob,
  id: string,
  { options, headers, hasKey }: StreamOptions,
): Promise<Response> {
  const { gateway, log } = options
  const { facts } = asked
  const client = clientOf(c.env.outgoing)
  const { job, content } = asked.under(id)
  const events = gateway.stream(job, { client, isKept: false, mayReturn: hasKey, content })
  const writer = new ChunkWriter({
    kind: facts.endpoint === CHAT ? 'chat' : 'completions',
    envelope: envelopeOf(facts, id, options),
    isVerbatim: facts.isVerbatim,
    wantsUsage: facts.wantsUsage,
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
  { endpoint, model, tier, route, isStream }: RequestFacts,
  id: string,
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

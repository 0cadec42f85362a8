import { Hono } from 'hono'
import * as v from 'valibot'
import { GatewayError } from '../errors.ts'
import { object, readJson, validate } from './body.ts'
import { clientOf } from './client.ts'
import { InvalidRequest } from './errors.ts'
import type { Context } from 'hono'
import type { Answer, Gateway, Stages } from '../gateway.ts'
import type { Job } from '../job.ts'
import type { HttpEnv } from './env.ts'

/** No id is `.` or `..`, which a path would swallow, nor has characters that mean something in a key or URL. */
const JobId = v.pipe(
  v.string(),
  v.regex(
    /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/,
    'String should be 1 to 128 of A-Z a-z 0-9 . _ ~ - and neither . nor ..',
  ),
  v.description('Chosen by the client; the same id and payload again join or replay the job'),
)
const nullable = <T extends v.GenericSchema, D>(schema: T, fallback: D) =>
  v.optional(v.nullable(schema), fallback as never)
const wholeNumber = (min: number, max: number) =>
  v.pipe(
    v.number(),
    v.integer(),
    v.minValue(min, `Input should be greater than or equal to ${min}`),
    v.maxValue(max, `Input should be less than or equal to ${max}`),
  )
const Meta = object({
  temperature: nullable(v.pipe(v.number(), v.finite()), 0.2),
  tokens_limit: nullable(wholeNumber(-(2 ** 31), 2 ** 31 - 1), 8096),
  stop_words: nullable(v.array(v.string()), null),
  model: nullable(v.string(), null),
})
const Priority = nullable(wholeNumber(0, 255), null)
const Message = object({ role: v.string(), content: v.string() })
const Messages = v.pipe(
  v.array(Message),
  v.minLength(1, 'List should have at least 1 item after validation, not 0'),
)

export const GenerateRequest = object({
  job_id: JobId,
  priority: Priority,
  meta: Meta,
  content: v.string(),
})
export const ChatRequest = object({
  job_id: JobId,
  priority: Priority,
  source: v.optional(v.string(), 'local'),
  meta: Meta,
  messages: Messages,
})
export const ContentResponse = v.object({ content: v.string() })

export interface ProtollmOptions {
  readonly gateway: Pick<Gateway, 'run'>
  /** The first is used when a request names none; no other than these is taken. */
  readonly queues: readonly [string, ...string[]]
  readonly maxBodyBytes: number
}

/** The two routes of protollm_api, for its clients: drop-in, but with honest statuses. */
export function protollmRoutes(options: ProtollmOptions): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  routes.post('/generate', async (c) => {
    const { value, queue } = await readRequest(c, GenerateRequest, options)
    // As protollm_api does it: a chat of one message.
    const messages = [{ role: 'user', content: value.content }]
    return answer(c, options.gateway, jobOf(value, { queue, messages, source: 'local' }))
  })
  routes.post('/chat_completion', async (c) => {
    const { value, queue } = await readRequest(c, ChatRequest, options)
    const { messages, source } = value
    return answer(c, options.gateway, jobOf(value, { queue, messages, source }))
  })
  return routes
}

/** Body and query, or an InvalidRequest with all their problems at once. */
async function readRequest<T extends v.GenericSchema<unknown, object>>(
  c: Context<HttpEnv>,
  schema: T,
  { queues, maxBodyBytes }: ProtollmOptions,
): Promise<{ readonly value: v.InferOutput<T>; readonly queue: string }> {
  const body = validate(schema, await readJson(c, maxBodyBytes))
  const queue = c.req.query('queue_name') ?? queues[0]
  const problems = 'problems' in body ? [...body.problems] : []
  if (!queues.includes(queue)) {
    const msg = `Input should be ${queues.map((name) => `'${name}'`).join(' or ')}`
    problems.push({ type: 'enum', loc: ['query', 'queue_name'], msg, input: queue })
  }
  if ('problems' in body || problems.length > 0) throw new InvalidRequest(problems)
  return { value: body.value, queue }
}

function jobOf(
  request: Pick<v.InferOutput<typeof GenerateRequest>, 'job_id' | 'priority' | 'meta'>,
  { queue, messages, source }: Pick<Job, 'queue' | 'messages' | 'source'>,
): Job {
  const { job_id: id, priority } = request
  const { temperature, tokens_limit: tokensLimit, stop_words: stopWords, model } = request.meta
  const meta = { temperature, tokensLimit, stopWords, model }
  return { id, owner: '', queue, messages, meta, priority, source }
}

async function answer(
  c: Context<HttpEnv>,
  gateway: Pick<Gateway, 'run'>,
  job: Job,
): Promise<Response> {
  c.env.jobId = job.id
  const { outcome, isReplay, stages }: Answer = await gateway.run(job, clientOf(c.env.outgoing))
  switch (outcome.kind) {
    case 'succeeded':
      // Not by the context, which makes a Headers of these: the server writes them as they are.
      return new Response(JSON.stringify({ content: outcome.content }), {
        headers: {
          'content-type': 'application/json',
          'x-job-id': job.id,
          'server-timing': serverTiming(stages),
          ...(isReplay && { 'idempotent-replayed': 'true' }),
        },
      })
    case 'failed':
      throw new GatewayError('worker_failed', `${outcome.type}: ${outcome.message}`)
    case 'cancelled':
      throw new GatewayError('job_cancelled', 'the job was cancelled')
    case 'expired':
      throw new GatewayError('job_expired', 'the job expired before it had an outcome')
  }
}

/** https://www.w3.org/TR/server-timing/ in milliseconds. */
function serverTiming({ arm, queue, read, total }: Stages): string {
  const entry = (name: string, ms: number | undefined): string =>
    ms === undefined ? '' : `${name};dur=${ms.toFixed(2)}, `
  return `${entry('arm', arm)}${entry('queue', queue)}${entry('read', read)}total;dur=${total.toFixed(2)}`
}

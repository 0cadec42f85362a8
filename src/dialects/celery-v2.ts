import * as v from 'valibot'
import { WireFormatError, defineDialect } from '../dialect.ts'
import { text, url } from '../setting.ts'
import {
  Answer,
  Kwargs,
  decodeAnswer,
  decodeKwargs,
  encodeAnswer,
  encodeKwargs,
  readWire,
} from './wire.ts'
import type { Delivery, OutcomeOf, Standing, Values } from '../dialect.ts'
import type { Job, Outcome } from '../job.ts'

/**
 * Celery's message protocol 2 (https://docs.celeryq.dev/en/stable/internals/protocol.html)
 * and its Redis result backend, as captured from Celery 5.2:
 * `tests/dialects/fixtures/celery-v2/captured.json`.
 *
 * The task is called with the keyword arguments `prompt` and `prompt_type`, as
 * protollm workers are, and returns a text, or an object with `content`. Only
 * SUCCESS, FAILURE and REVOKED are ends; RETRY, STARTED and states of the task's
 * own are not.
 */
export const celeryV2 = defineDialect({
  settings: {
    CELERY_TASK_NAME: v.optional(text, 'generate'),
    CELERY_BROKER_URL: v.optional(url('amqp', 'amqps', 'pyamqp')),
    CELERY_RESULT_BACKEND: v.optional(url('redis', 'rediss')),
  },
  addresses: ({ CELERY_BROKER_URL: broker, CELERY_RESULT_BACKEND: redisUrl }) => ({
    rabbitUrl: broker === undefined ? undefined : rabbitUrlOf(broker),
    redisUrl,
  }),
  create: ({ CELERY_TASK_NAME: task }) => ({
    name: 'celery-v2',
    queue: { durable: true, arguments: {} },
    ends: ['SUCCESS', 'FAILURE', 'REVOKED'].map((state) => ({
      position: 0,
      pattern: `^{%s*"status":%s*"${state}"`,
    })),
    resultKeys: (wireId) => [`celery-task-meta-${wireId}`],
    encodeJob: (job, wireId, expiresAt) => encodeJob(task, job, wireId, expiresAt),
    encodeCancel,
    decodeResult,
    decodeJob,
    encodeOutcome: (outcome, of) => [encodeOutcome(outcome, of)],
  }),
})

/** Celery takes an empty path for the virtual host `/`, and names that one by a second slash. */
function rabbitUrlOf(broker: string): string {
  const address = new URL(broker.replace(/^pyamqp:/, 'amqp:'))
  if (address.pathname === '//' || address.pathname === '/') address.pathname = ''
  return address.href
}

const JSON_BODY = { contentType: 'application/json', contentEncoding: 'utf-8' } as const
/** What follows the task; none of ours. */
const EMBED = { callbacks: null, errbacks: null, chain: null, chord: null }

function encodeJob(task: string, job: Job, wireId: string, expiresAt: Date): Delivery {
  const headers = {
    lang: 'py',
    task,
    id: wireId,
    shadow: null,
    eta: null,
    expires: isoTime(expiresAt),
    group: null,
    group_index: null,
    retries: 0,
    timelimit: [null, null],
    root_id: wireId,
    parent_id: null,
    // For people to read, in logs and in Flower: what a user wrote has no place there.
    argsrepr: '()',
    kwargsrepr: '{...}',
    origin: 'protollm-gateway',
    ignore_result: false,
  }
  return {
    ...JSON_BODY,
    body: Buffer.from(JSON.stringify([[], encodeKwargs(job, wireId), EMBED])),
    headers,
    correlationId: wireId,
    ...(job.priority !== null && { priority: job.priority }),
  }
}

/** A worker that has not begun drops the job; one that runs it is not killed. It remembers 50,000 of these for 3 hours. */
function encodeCancel(wireId: string) {
  const revoke = {
    method: 'revoke',
    arguments: { task_id: wireId, terminate: false, signal: 'SIGTERM' },
    destination: null,
    pattern: null,
    matcher: null,
  }
  const body = Buffer.from(JSON.stringify(revoke))
  const delivery = { ...JSON_BODY, body, headers: { clock: 0, expires: 0 } }
  return { exchange: 'celery.pidbox', delivery }
}

const Body = v.tuple([v.array(v.unknown()), Kwargs, v.unknown()])
const Headers = v.object({ id: v.string(), task: v.string() })

function decodeJob(delivery: Delivery, queue: string): { job: Job; wireId: string } {
  const [, kwargs] = readWire(Body, delivery.body.toString(), 'message')
  const headers = v.safeParse(Headers, delivery.headers)
  if (!headers.success) throw new WireFormatError('the message has no headers of a Celery task')
  const job = { ...decodeKwargs(kwargs, queue), priority: delivery.priority ?? null }
  return { job, wireId: headers.output.id }
}

const Result = v.object({ status: v.string(), result: v.unknown() })
const Raised = v.object({
  exc_type: v.fallback(v.string(), 'Error'),
  exc_message: v.unknown(),
})

function decodeResult([value]: Values): Standing {
  if (value === null || value === undefined) return 'queued'
  const { status, result } = readWire(Result, value, 'result')
  switch (status) {
    case 'SUCCESS':
      return { outcome: answerOf(result) }
    case 'FAILURE':
      return { outcome: failureOf(result) }
    case 'REVOKED': {
      const { message } = failureOf(result)
      return { outcome: { kind: message === EXPIRED ? 'expired' : 'cancelled' } }
    }
    case 'PENDING':
    case 'RECEIVED':
    case 'RETRY':
      return 'queued'
    default:
      return 'running'
  }
}

/** Why the worker itself revokes a task: it came too late. */
const EXPIRED = 'expired'

function answerOf(result: unknown): Outcome {
  if (typeof result === 'string') return { kind: 'succeeded', content: result }
  const answer = v.safeParse(Answer, result)
  if (!answer.success) throw new WireFormatError('the result has no content')
  return decodeAnswer(answer.output)
}

/** Type and message of what the task raised, never its traceback. */
function failureOf(result: unknown): Extract<Outcome, { kind: 'failed' }> {
  const raised = v.safeParse(Raised, result)
  if (!raised.success) return { kind: 'failed', type: 'Error', message: '' }
  const { exc_type: type, exc_message: args } = raised.output
  const parts: unknown[] = Array.isArray(args) ? args : [args ?? '']
  const asText = (part: unknown): string => (typeof part === 'string' ? part : JSON.stringify(part))
  return { kind: 'failed', type, message: parts.map(asText).join(', ') }
}

function encodeOutcome(outcome: Outcome, { wireId, now }: OutcomeOf): string {
  const [status, result] = stateOf(outcome)
  const done = { traceback: null, children: [], date_done: isoTime(now), task_id: wireId }
  return JSON.stringify({ status, result, ...done })
}

function stateOf(outcome: Outcome): [status: string, result: object] {
  const raised = (type: string, message: string, module: string): object => ({
    exc_type: type,
    exc_message: [message],
    exc_module: module,
  })
  const revoked = (why: string) => raised('TaskRevokedError', why, 'celery.exceptions')
  switch (outcome.kind) {
    case 'succeeded':
      return ['SUCCESS', encodeAnswer(outcome)]
    case 'failed':
      return ['FAILURE', raised(outcome.type, outcome.message, 'builtins')]
    case 'cancelled':
      return ['REVOKED', revoked('revoked')]
    case 'expired':
      return ['REVOKED', revoked(EXPIRED)]
  }
}

/** As Python's `isoformat()` has it: before 3.11 it cannot read a `Z`. */
const isoTime = (time: Date): string => time.toISOString().replace('Z', '+00:00')

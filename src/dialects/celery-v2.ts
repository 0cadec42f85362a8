import * as v from 'valibot'
import { defineDialect } from '../dialect.ts'
import { WireFormatError } from '../errors.ts'
import { text } from '../setting.ts'
import { rabbitUrl, redisUrl } from '../url-setting.ts'
import {
  Answer,
  Kwargs,
  bodyIn,
  decodeAnswer,
  decodeKwargs,
  defaultsHeader,
  encodeAnswer,
  encodeKwargs,
  readWire,
  withAnswerBody,
  withBody,
} from './wire.ts'
import type { Delivery, OutcomeOf, RunOf, Standing, Values } from '../dialect.ts'
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
    CELERY_BROKER_URL: v.optional(
      v.pipe(
        v.string(),
        v.check((value) => !/;\w+:\/\//.test(value), 'must be one address'),
        rabbitUrl('amqp', 'amqps', 'pyamqp'),
      ),
    ),
    CELERY_RESULT_BACKEND: v.optional(redisUrl('redis', 'rediss')),
  },
  addresses: ({ CELERY_BROKER_URL: broker, CELERY_RESULT_BACKEND: backend }) => ({
    rabbitUrl: broker === undefined ? undefined : rabbitUrlOf(broker),
    redisUrl: backend,
  }),
  create: ({ CELERY_TASK_NAME: task }) => ({
    name: 'celery-v2',
    queue: { durable: true, arguments: {} },
    ends: ['SUCCESS', 'FAILURE', 'REVOKED'].map((state) => ({
      position: 0,
      pattern: `^{%s*"status":%s*"${state}"`,
    })),
    // It may, but each time with one.
    mayAnswerTwice: false,
    // A task that passes on `**prompt["meta"]` fails on a name that it does not know.
    carriesMeta: false,
    ownsResultKeys: false,
    carriesBodies: true,
    resultKeys: (wireId) => [`celery-task-meta-${wireId}`],
    encodeJob: (job, of) => encodeJob(task, job, of),
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

/** A run as Celery sees it: told from the ids that its own tasks have for parents and stamps. */
const STAMP = 'gateway_run_'
const stampOf = (run: string): string => STAMP + run

function encodeJob(
  task: string,
  job: Job,
  { wireId, run, expiresAt }: RunOf & { readonly expiresAt: Date },
): Delivery {
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
    // Celery repeats it in the result, which so names the run it is of.
    parent_id: stampOf(run),
    // For people to read, in logs and in Flower: what a user wrote has no place there.
    argsrepr: '()',
    kwargsrepr: '{...}',
    origin: 'protollm-gateway',
    ignore_result: false,
    // So that a worker can be told to drop this run, and no later one of the same id.
    stamped_headers: [stampOf(run)],
    stamps: { [stampOf(run)]: [run] },
    ...defaultsHeader(job).headers,
  }
  return {
    ...JSON_BODY,
    body: Buffer.from(withBody(JSON.stringify([[], encodeKwargs(job, wireId), EMBED]), job, 1)),
    headers,
    correlationId: wireId,
    ...(job.priority !== null && { priority: job.priority }),
  }
}

/**
 * A worker that has not begun drops the run; one that runs it is not killed. By its
 * stamp (Celery 5.3 and later) and not by the task's id: workers remember a revoked
 * id for three hours, and would drop the same job when it is asked for again.
 */
function encodeCancel({ run }: RunOf) {
  const revoke = {
    method: 'revoke_by_stamped_headers',
    arguments: { headers: { [stampOf(run)]: [run] }, terminate: false },
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
  const text = delivery.body.toString()
  const [, kwargs] = readWire(Body, text, 'message')
  const headers = v.safeParse(Headers, delivery.headers)
  if (!headers.success) throw new WireFormatError('the message has no headers of a Celery task')
  const job = {
    ...decodeKwargs(kwargs, { queue, text, headers: delivery.headers, path: [1] }),
    priority: delivery.priority ?? null,
  }
  return { job, wireId: headers.output.id }
}

const Result = v.object({
  status: v.string(),
  result: v.unknown(),
  parent_id: v.fallback(v.nullish(v.string()), undefined),
})
const Raised = v.object({
  exc_type: v.fallback(v.string(), 'Error'),
  exc_message: v.unknown(),
})

function decodeResult([value]: Values): Standing {
  if (value === null || value === undefined) return 'queued'
  const { status, result, parent_id: parent } = readWire(Result, value, 'result')
  if (WAITING.has(status)) return 'queued'
  const outcome = outcomeOf(status, result, value)
  if (outcome === undefined) return 'running'
  return { outcome, ...(parent?.startsWith(STAMP) && { run: parent.slice(STAMP.length) }) }
}

/** Also what is to be tried again. */
const WAITING = new Set(['PENDING', 'RECEIVED', 'RETRY'])

function outcomeOf(status: string, result: unknown, text: string): Outcome | undefined {
  if (status === 'SUCCESS') return answerOf(result, text)
  if (status === 'FAILURE') return failureOf(result)
  if (status !== 'REVOKED') return undefined
  return { kind: failureOf(result).message === EXPIRED ? 'expired' : 'cancelled' }
}

/** Why the worker itself revokes a task: it came too late. */
const EXPIRED = 'expired'

function answerOf(result: unknown, text: string): Outcome {
  if (typeof result === 'string') return { kind: 'succeeded', content: result }
  const answer = v.safeParse(Answer, result)
  if (!answer.success) throw new WireFormatError('the result has no content')
  return decodeAnswer(answer.output, bodyIn(answer.output, text, 'result'))
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

function encodeOutcome(outcome: Outcome, { wireId, run, now }: OutcomeOf): string {
  const [status, result] = stateOf(outcome)
  const done = { traceback: null, children: [], date_done: isoTime(now), task_id: wireId }
  const meta = { status, result, ...done, ...(run && { parent_id: stampOf(run) }) }
  return withAnswerBody(JSON.stringify(meta), outcome, 'result')
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

import * as v from 'valibot'
import { defineDialect } from '../dialect.ts'
import { WireFormatError } from '../errors.ts'
import { integer, prefix } from '../setting.ts'
import {
  EXPIRED_MESSAGE,
  Task,
  decodeKwargs,
  defaultsHeader,
  encodeKwargs,
  encodeTask,
  readWire,
} from './wire.ts'
import type { Delivery, Standing, Values } from '../dialect.ts'
import type { Job, Outcome } from '../job.ts'

/**
 * The wire format of protollm-api 1.1.x and its worker, as captured from 1.1.1:
 * `tests/dialects/fixtures/protollm-v1.1/captured.json`.
 *
 * Two keys tell how a job stands. The status has to be there before the message
 * comes and as long as it may come again: a worker that finds none gives the
 * message back, for ever. On success it says `completed` first, and the answer is
 * written after that; on failure there is no answer, and only the status says why.
 */
export const protollmV11 = defineDialect({
  settings: {
    REDIS_PREFIX_FOR_STATUS: v.optional(prefix, 'job-status'),
    REDIS_PREFIX_FOR_ANSWER: v.optional(prefix, 'job-answer'),
    BASE_PRIORITY: v.optional(integer(0, 255), '1'),
  },
  problem: ({ REDIS_PREFIX_FOR_STATUS: status, REDIS_PREFIX_FOR_ANSWER: answer }) =>
    new Set([status, answer, PROMPT]).size < 3
      ? `REDIS_PREFIX_FOR_STATUS and REDIS_PREFIX_FOR_ANSWER must differ, and neither may be ${PROMPT}`
      : undefined,
  create: (set) => {
    const statusKey = (wireId: string): string => `${set.REDIS_PREFIX_FOR_STATUS}:${wireId}`
    const answerKey = (wireId: string): string => `${set.REDIS_PREFIX_FOR_ANSWER}:${wireId}`
    /** Who asks for none gets this one, in the message too. */
    const priorityOf = ({ priority }: Job): number => priority ?? set.BASE_PRIORITY
    const kwargsOf = (job: Job, wireId: string) =>
      encodeKwargs(withoutBody(job), wireId, { priority: priorityOf(job), source: job.source })
    return {
      name: 'protollm-v1.1',
      queue: { durable: true, arguments: { 'x-max-priority': 5 } },
      ends: [
        { position: 0, pattern: '^{%s*"status":%s*"error"' },
        { position: 1, pattern: '' },
      ],
      mayAnswerTwice: true,
      // Its one worker drops what it does not know.
      carriesMeta: false,
      ownsResultKeys: false,
      carriesBodies: false,
      resultKeys: (wireId) => [statusKey(wireId), answerKey(wireId)],
      prepare: (job, wireId, now) => [
        { key: statusKey(wireId), value: encodeStatus('pending', now, 'Job is created') },
        { key: `${PROMPT}:${wireId}`, value: JSON.stringify(kwargsOf(job, wireId).prompt) },
      ],
      encodeJob: (job, { wireId }) => ({
        body: encodeTask(kwargsOf(job, wireId), withoutBody(job)),
        ...defaultsHeader(job),
        priority: priorityOf(job),
      }),
      decodeResult,
      decodeJob,
      encodeRunning: (now) => [encodeStatus('in_progress', now, 'working'), null],
      encodeOutcome: (outcome, { now }) => encodeOutcome(outcome, now),
    }
  },
})

/** The prefix under which the worker reads the prompt. It is fixed. */
const PROMPT = 'prompt'

/** The answer of this kind of worker has no place for more than its text. */
const withoutBody = (job: Job): Job => ({ ...job, request: undefined })

function decodeJob(delivery: Delivery, queue: string): { job: Job; wireId: string } {
  const text = delivery.body.toString()
  const { kwargs } = readWire(Task, text, 'message')
  const job = decodeKwargs(kwargs, { queue, text, headers: delivery.headers, path: ['kwargs'] })
  return { job, wireId: kwargs.prompt.job_id }
}

const Status = v.object({
  status: v.picklist(['pending', 'in_progress', 'completed', 'error']),
  status_message: v.nullish(v.string()),
  error: v.nullish(v.object({ type: v.string(), msg: v.string() })),
})
const Answer = v.object({ result: v.nullish(v.string()) })

function decodeResult([status, answer]: Values): Standing {
  if (typeof answer === 'string') {
    const { result: content } = readWire(Answer, answer, 'result')
    if (typeof content !== 'string') throw new WireFormatError('the result has no content')
    return { outcome: { kind: 'succeeded', content } }
  }
  if (typeof status !== 'string') return 'queued'
  const { status: name, status_message: message, error } = readWire(Status, status, 'result')
  if (name === 'pending') return 'queued'
  // Also when it is `completed`: the answer is about to be written.
  if (name !== 'error') return 'running'
  if (message === CANCELLED) return { outcome: { kind: 'cancelled' } }
  return { outcome: { kind: 'failed', type: error?.type ?? 'Error', message: error?.msg ?? '' } }
}

/** That worker knows no such end: to its own models it is an error. */
const CANCELLED = 'cancelled'
/** What its models take for a type; any other type is named in the message. */
const TYPES = new Set([
  'ValidationError',
  'ConnectionError',
  'TimeoutError',
  'MemoryError',
  'Exception',
])

function encodeOutcome(outcome: Outcome, now: Date): Values {
  const failed = (type: string, msg: string, message: string | null = null): Values => [
    encodeStatus('error', now, message, { type, msg }),
    null,
  ]
  switch (outcome.kind) {
    case 'succeeded':
      return [encodeStatus('completed', now, null), JSON.stringify({ result: outcome.content })]
    case 'failed':
      return TYPES.has(outcome.type)
        ? failed(outcome.type, outcome.message)
        : failed('Exception', `${outcome.type}: ${outcome.message}`)
    case 'cancelled':
      return failed('Exception', 'the job was cancelled', CANCELLED)
    case 'expired':
      return failed('TimeoutError', EXPIRED_MESSAGE)
  }
}

function encodeStatus(
  status: 'pending' | 'in_progress' | 'completed' | 'error',
  now: Date,
  message: string | null,
  error: { type: string; msg: string } | null = null,
): string {
  return JSON.stringify({
    status,
    last_update: localTime(now),
    status_message: message,
    is_completed: status === 'completed' || status === 'error',
    error,
  })
}

/** As Python's `strftime("%Y-%m-%dT%H:%M:%S", localtime())`: the host's own time, and no zone. */
function localTime(now: Date): string {
  const date = [now.getFullYear(), now.getMonth() + 1, now.getDate()]
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()]
  const two = (part: number): string => String(part).padStart(2, '0')
  return `${date.map(two).join('-')}T${time.map(two).join(':')}`
}

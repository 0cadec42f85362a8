import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Delivery, Dialect, Standing, Values } from '../../src/dialect.ts'
import type { Job, Outcome } from '../../src/job.ts'

/** The job that was asked for when the bytes were captured. */
export const capturedJob: Job = {
  id: '12345',
  owner: '',
  queue: 'llm-api-queue',
  messages: [{ role: 'user', content: 'What is AI?' }],
  meta: { temperature: 0.5, tokensLimit: 1000, stopWords: ['stop'], model: 'gpt-model' },
  priority: null,
  source: 'local',
}

/** Bytes captured from a real worker and its gateway, and what they mean. */
export interface Captured {
  readonly job: Job
  /** The message as it stood in the queue. */
  readonly message: CapturedMessage
  /** Values at `resultKeys`, in their order, and what they say. */
  readonly results: readonly {
    readonly name: string
    readonly values: Values
    readonly means: Standing
  }[]
  /** The keys of the job whose messages and results these are. */
  readonly keys: readonly string[]
  /** Whether its results have a place for the run. */
  readonly echoesRun?: boolean
}

/** As the library that captured it names the properties. */
export interface CapturedMessage {
  readonly body: string
  readonly properties: {
    readonly priority?: number
    readonly content_type?: string
    readonly content_encoding?: string
    readonly correlation_id?: string
    readonly headers?: Readonly<Record<string, unknown>>
  }
}

/** What `JSON.parse` and `JSON.stringify` would change. */
const LOSSY = '{"seed":9007199254740993,"a":1.0,"a":-0,"b":1e400,"__proto__":{"x":"\\u0041"}}'

const NOW = new Date('2026-11-22T09:54:51.250Z')
const of = { wireId: capturedJob.id, now: NOW }

/** What every dialect must do, whatever it looks like on the wire. */
export function dialectConformance(dialect: Dialect, captured: Captured): void {
  const { job, message } = captured
  const outcomes: Outcome[] = [
    { kind: 'succeeded', content: 'fine… «ИИ»\n' },
    { kind: 'failed', type: 'Exception', message: 'bad prompt' },
    { kind: 'cancelled' },
  ]
  const encoded = dialect.encodeJob(job, { wireId: job.id, run: 'run-1', expiresAt: NOW })
  const received: Delivery = { ...deliveryOf(message), body: Buffer.from(message.body) }

  describe(`dialect ${dialect.name}`, () => {
    test('writes the captured message, field by field', () => {
      expect(JSON.parse(encoded.body.toString())).toEqual(JSON.parse(message.body))
      expect({ ...encoded, body: '' }).toMatchObject({ ...deliveryOf(message), body: '' })
    })

    test('reads its own message back as the same job', () => {
      expect(dialect.decodeJob(encoded, job.queue)).toEqual({ job, wireId: job.id })
    })

    test('carries the body of a request as it was sent, or leaves it out', () => {
      const sent = { endpoint: '/v1/chat/completions', body: LOSSY }
      const asked = { ...job, request: sent }
      const message = dialect.encodeJob(asked, { wireId: job.id, run: 'run-1', expiresAt: NOW })
      const { request } = dialect.decodeJob(message, job.queue).job
      expect(request).toEqual(dialect.carriesBodies ? sent : undefined)
      expect(message.body.includes('9007199254740993')).toBe(dialect.carriesBodies)
    })

    test('takes no list for the body of an answer', () => {
      const outcome: Outcome = { kind: 'succeeded', content: 'x' }
      const values = dialect.encodeOutcome({ ...outcome, body: '[1]' }, of)
      const decoded = (): unknown => {
        try {
          return dialect.decodeResult(values)
        } catch (error) {
          return (error as Error).message
        }
      }
      const refused = expect.stringMatching(/^the result /) as unknown
      expect(decoded()).toEqual(dialect.carriesBodies ? refused : { outcome })
    })

    test('carries the body of an answer as its engine sent it, or leaves it out', () => {
      const outcome: Outcome = { kind: 'succeeded', content: 'x', body: LOSSY }
      const values = dialect.encodeOutcome(outcome, { ...of, run: 'run-1' })
      const { body: _, ...text } = outcome
      expect(dialect.decodeResult(values)).toMatchObject({
        outcome: dialect.carriesBodies ? outcome : text,
      })
    })

    test('what the client left open is the default to a worker, and left open again to ours', () => {
      const open = { ...job, meta: { ...job.meta, temperature: undefined, tokensLimit: undefined } }
      const sent = dialect.encodeJob(open, { wireId: job.id, run: 'run-1', expiresAt: NOW })
      expect(sent.body.toString()).toMatch(/"temperature":0.2,"tokens_limit":8096/)
      expect(sent.headers).toMatchObject({ gateway_defaults: 'temperature,tokens_limit' })
      expect(encoded.headers ?? {}).not.toHaveProperty('gateway_defaults')
      expect(dialect.decodeJob(sent, job.queue).job).toEqual(open)
      const half = { ...open, meta: { ...open.meta, tokensLimit: null } }
      const halfSent = dialect.encodeJob(half, { wireId: job.id, run: 'run-1', expiresAt: NOW })
      expect(dialect.decodeJob(halfSent, job.queue).job).toEqual(half)
    })

    test('reads the captured message as that job', () => {
      expect(dialect.decodeJob(received, job.queue)).toEqual({ job, wireId: job.id })
    })

    test('knows the captured keys', () => {
      expect(dialect.resultKeys(job.id)).toEqual(captured.keys)
    })

    test.each(captured.results)('reads the captured result: $name', ({ values, means }) => {
      expect(dialect.decodeResult(values)).toEqual(means)
    })

    test.each(captured.results)('its marks find an end where there is one: $name', (result) => {
      expect(isMarked(dialect, result.values)).toBe(typeof result.means === 'object')
    })

    test('takes an absent result for a job that still waits', () => {
      expect(dialect.decodeResult(captured.keys.map(() => null))).toBe('queued')
    })

    test('takes what the worker is to find for a job that still waits', () => {
      const prepared = dialect.prepare?.(job, job.id, NOW) ?? []
      const valueAt = (key: string) => prepared.find((write) => write.key === key)?.value ?? null
      const values = dialect.resultKeys(job.id).map(valueAt)
      expect(dialect.decodeResult(values)).toBe('queued')
      expect(isMarked(dialect, values)).toBe(false)
    })

    test.each(outcomes)('a worker’s outcome arrives as it was written: $kind', (outcome) => {
      const values = dialect.encodeOutcome(outcome, of)
      expect(dialect.decodeResult(values)).toEqual({ outcome })
      expect(isMarked(dialect, values)).toBe(true)
    })

    test('a job that expired at the worker has ended', () => {
      const values = dialect.encodeOutcome({ kind: 'expired' }, of)
      expect(dialect.decodeResult(values)).toBeTypeOf('object')
      expect(isMarked(dialect, values)).toBe(true)
    })

    test('the run a worker echoes arrives with the outcome, where there is a place for it', () => {
      const outcome: Outcome = { kind: 'succeeded', content: 'x' }
      const values = dialect.encodeOutcome(outcome, { ...of, run: 'run-1' })
      const run = captured.echoesRun ? { run: 'run-1' } : {}
      expect(dialect.decodeResult(values)).toEqual({ outcome, ...run })
    })

    test.each(['', '{', '[]', '42', 'null', '{}', '"canary"', 'canary', '{"canary":"canary"}'])(
      'refuses a result that is not of its form and does not repeat it: %s',
      (value) => {
        const decode = () => dialect.decodeResult(captured.keys.map(() => value))
        expect(decode).toThrow(/^the result /)
        expect(decode).not.toThrow('canary')
      },
    )

    test.each(['', '{', '{}', '{"kwargs":{}}', '[[],{},{}]'])(
      'refuses a message not of its form: %s',
      (text) => {
        const decode = () => dialect.decodeJob({ ...received, body: Buffer.from(text) }, 'q')
        expect(decode).toThrow(/^the message /)
      },
    )
  })
}

function deliveryOf({ properties }: CapturedMessage): Omit<Delivery, 'body'> {
  const { priority, content_type, content_encoding, correlation_id, headers } = properties
  return {
    ...(priority !== undefined && { priority }),
    ...(content_type !== undefined && { contentType: content_type }),
    ...(content_encoding !== undefined && { contentEncoding: content_encoding }),
    ...(correlation_id !== undefined && { correlationId: correlation_id }),
    ...(headers !== undefined && { headers }),
  }
}

/** As the scripts in Redis look at it; of Lua's patterns, the dialects use what can be written in both. */
function isMarked({ ends }: Dialect, values: Values): boolean {
  if (ends === 'any') return values.some((value) => value !== null)
  return ends.some(({ position, pattern }) => {
    const head = values[position]?.slice(0, 256) ?? ''
    return head !== '' && new RegExp(pattern.replaceAll('%', '\\').replace('{', '\\{')).test(head)
  })
}

export function fixture<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${path}`, import.meta.url), 'utf8')) as T
}

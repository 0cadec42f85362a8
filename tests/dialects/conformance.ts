import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Decoded, Dialect } from '../../src/dialect.ts'
import type { Job, Outcome } from '../../src/job.ts'

/** Bytes captured from a real worker and its gateway, and what they mean. */
export interface Captured {
  /** The job that was asked for when the bytes were captured. */
  readonly job: Job
  /** The message as it stood in the queue. */
  readonly message: { readonly body: string; readonly priority?: number }
  /** Values at `resultKeys`, in their order, and what they say. */
  readonly results: readonly {
    readonly name: string
    readonly values: readonly (string | null)[]
    readonly means: Decoded | undefined
  }[]
  /** The keys of the job whose messages and results these are. */
  readonly keys: readonly string[]
}

/** What every dialect must do, whatever it looks like on the wire. */
export function dialectConformance(dialect: Dialect, captured: Captured): void {
  const { job } = captured
  const outcomes: Outcome[] = [
    { kind: 'succeeded', content: 'fine… «ИИ»\n' },
    { kind: 'failed', type: 'ValueError', message: 'bad prompt' },
    { kind: 'cancelled' },
  ]
  /** As the gateway would read them after these writes. */
  const valuesAfter = (writes: readonly { key: string; value: string }[]): (string | null)[] =>
    dialect
      .resultKeys(job.id)
      .map((key) => writes.findLast((write) => write.key === key)?.value ?? null)

  describe(`dialect ${dialect.name}`, () => {
    test('writes the captured message, field by field', () => {
      const delivery = dialect.encodeJob(job, job.id)
      expect(JSON.parse(delivery.body.toString())).toEqual(JSON.parse(captured.message.body))
      expect(delivery.priority).toBe(captured.message.priority)
    })

    test('reads its own message back as the same job', () => {
      const decoded = dialect.decodeJob(dialect.encodeJob(job, job.id), job.queue)
      expect(decoded).toEqual({ job, wireId: job.id })
    })

    test('reads the captured message as that job', () => {
      const delivery = { body: Buffer.from(captured.message.body) }
      expect(dialect.decodeJob(delivery, job.queue).job).toEqual(job)
    })

    test('knows the captured keys', () => {
      expect(dialect.resultKeys(job.id)).toEqual(captured.keys)
    })

    test.each(captured.results)('reads the captured result: $name', ({ values, means }) => {
      expect(dialect.decodeResult(values)).toEqual(means)
    })

    test('takes an absent result for a job that still runs', () => {
      expect(dialect.decodeResult(captured.keys.map(() => null))).toBeUndefined()
    })

    test.each(outcomes)('a worker’s outcome arrives as it was written: $kind', (outcome) => {
      const values = valuesAfter(dialect.encodeOutcome(job.id, outcome))
      expect(dialect.decodeResult(values)).toEqual({ outcome })
    })

    test('the run a worker echoes arrives with the outcome', () => {
      const outcome: Outcome = { kind: 'succeeded', content: 'x' }
      const values = valuesAfter(dialect.encodeOutcome(job.id, outcome, 'run-1'))
      expect(dialect.decodeResult(values)).toEqual({ outcome, run: 'run-1' })
    })

    test.each(['', '{', '[]', '42', 'null', '{}', '"canary"', 'canary', '{"canary":"canary"}'])(
      'refuses a result that is not of its form and does not repeat it: %s',
      (value) => {
        const decode = () => dialect.decodeResult(captured.keys.map(() => value))
        expect(decode).toThrow(/^the result /)
        expect(decode).not.toThrow('canary')
      },
    )

    test.each(['', '{', '{}', '{"kwargs":{}}'])('refuses a message not of its form: %s', (text) => {
      expect(() => dialect.decodeJob({ body: Buffer.from(text) }, 'q')).toThrow(/^the message /)
    })
  })
}

export function fixture<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${path}`, import.meta.url), 'utf8')) as T
}

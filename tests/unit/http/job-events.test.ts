import { describe, expect, test } from 'vitest'
import { MAX_DELTA } from '../../../src/gateway/delta-pieces.ts'
import { jobEvents } from '../../../src/http/native/job-events.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { endedView, succeeded } from '../../support/stream.ts'
import type { Context } from 'hono'
import type { HttpEnv } from '../../../src/http/context.ts'
import type { JobEvent, Outcome } from '../../../src/job.ts'

const c = { env: { requestId: 'r' }, req: { path: '/jobs/j/events' } } as Context<HttpEnv>
const writer = jobEvents(c, createLog('silent'))
const write = (...events: JobEvent[]): string => writer.events(events)
const done = (outcome: Outcome): JobEvent => ({
  kind: 'done',
  id: 'done',
  view: endedView(outcome),
})
const dataOf = (text: string) => JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '') as unknown

/** What ends a line for one reader or another; Python's `str.splitlines` knows all of them. */
const LINE_ENDS = Array.from('\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029')

const linesOf = (text: string): string[] =>
  LINE_ENDS.reduce((lines, end) => lines.flatMap((line) => line.split(end)), [text])

describe('a stream of events, read by lines', () => {
  test.each(['\u2028', '\u2029', '\u0085', '\v', '\f', '\u001c', '\u001d', '\u001e', '\r', '\n'])(
    'has no end of a line within data: %j',
    (end) => {
      const text = `a${end}b${end}`
      const events = [
        write({ kind: 'delta', id: '1-1', text }),
        write(done({ kind: 'succeeded', content: text, model: text })),
        write(done({ kind: 'failed', type: text, message: text })),
        writer.failure(new Error(text)),
      ]
      for (const event of events) {
        // event, id where there is one, data, and the empty line.
        const lines = linesOf(event)
        expect(lines.filter((line) => line.startsWith('data: '))).toHaveLength(1)
        expect(lines).toHaveLength(event.includes('\nid: ') ? 5 : 4)
      }
      expect(dataOf(events[0] as string)).toEqual({ text })
      expect(dataOf(events[1] as string)).toMatchObject({ outcome: { content: text, model: text } })
    },
  )

  test('has a ping of one line, behind which no event begins', () => {
    expect(writer.ping()).toBe(': ping\n')
  })

  test.each(['x', '\u0000', '"', 'я', '\u2028', '\ud800', '\u0085', '👋'])(
    'has no line of 64 KB, however its characters are written: %j',
    (character) => {
      const text = character.repeat(MAX_DELTA / character.length)
      const long = character.repeat(100_000)
      const events = [
        write({ kind: 'delta', id: `0-1:123456789:${'0'.repeat(16)}`, text }),
        write(done({ kind: 'succeeded', content: long, finishReason: long, model: long })),
        write(done({ kind: 'failed', type: long, message: long })),
      ]
      for (const event of events) {
        for (const line of event.split('\n')) expect(Buffer.byteLength(line)).toBeLessThan(61_000)
        expect(dataOf(event)).toBeTypeOf('object')
      }
    },
  )
})

describe('the event `done`', () => {
  test('has the whole job, where that fits into a line', () => {
    const outcome: Outcome = { kind: 'succeeded', content: 'x'.repeat(50_000), model: 'm' }
    expect(dataOf(write(done(outcome)))).toMatchObject({
      status: 'succeeded',
      outcome: { content: outcome.content, model: 'm' },
    })
  })

  test('leaves a content out that does not, and nothing else', () => {
    const outcome: Outcome = {
      kind: 'succeeded',
      content: 'x'.repeat(60_000),
      usage: { promptTokens: 1, completionTokens: 2 },
      finishReason: 'stop',
      model: 'm',
    }
    expect(dataOf(write(done(outcome)))).toEqual({
      job_id: 'j',
      status: 'succeeded',
      created_at: new Date(1).toISOString(),
      finished_at: new Date(2).toISOString(),
      outcome: {
        usage: { prompt_tokens: 1, completion_tokens: 2 },
        finish_reason: 'stop',
        model: 'm',
      },
    })
  })

  test('cuts a failure that is too long, at a whole character', () => {
    const message = `a${'👋'.repeat(50_000)}`
    const text = write(done({ kind: 'failed', type: 'E', message }))
    expect(dataOf(text)).toMatchObject({
      outcome: { error: { type: 'E', message: `a${'👋'.repeat(4_095)}` } },
    })
  })

  test('of a job without an outcome has none', () => {
    const view = { ...succeeded('x'), status: 'cancelled', outcome: null } as const
    expect(dataOf(write({ kind: 'done', id: 'done', view }))).toMatchObject({ outcome: null })
  })
})

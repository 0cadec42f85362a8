import { describe, expect, test } from 'vitest'
import { MAX_DELTA } from '../../../src/gateway/delta-pieces.ts'
import { EVENT_ID, positionOf } from '../../../src/gateway/event-log.ts'
import { MemoryStream, lastIdOf, replay, succeeded, toldText } from '../../support/stream.ts'
import type { JobEvent, JobView } from '../../../src/job.ts'
import type { Entry } from '../../support/stream.ts'

/** Longer than two pieces. Every cut of a multiple of MAX_DELTA would divide a character of it. */
const longText = (first: string): string => `${first}${'👋'.repeat(10_000)}`

/** The same events, whether a client reads them at once or comes again after each of them. */
async function sameFromEvery(stream: MemoryStream, view: JobView): Promise<readonly JobEvent[]> {
  const all = await replay(stream, view)
  for (const [index] of all.entries()) {
    const from = all.slice(0, index)
    const rest = await replay(stream, view, lastIdOf(from))
    expect([index, [...from, ...rest]]).toEqual([index, all])
  }
  return all
}

const deltasOf = (events: readonly JobEvent[]) => events.filter((event) => event.kind === 'delta')

describe('a text that is longer than a delta may be', () => {
  const stories: [name: string, entries: Entry[], content: string][] = [
    ['of the worker', [{ text: longText('a') }], longText('a')],
    [
      'among short ones',
      [{ text: 'one ' }, { text: longText('a') }, { text: ' two' }],
      `one ${longText('a')} two`,
    ],
    ['of one character more', [{ text: 'x'.repeat(MAX_DELTA + 1) }], 'x'.repeat(MAX_DELTA + 1)],
    ['of the result', [], longText('b')],
    ['of the result, behind what was streamed', [{ text: 'half ' }], `half ${longText('c')}`],
    ['of the result, which is another one', [{ text: longText('a') }], longText('b')],
    [
      'of a second attempt',
      [{ text: longText('a') }, { text: longText('b'), attempt: 2 }, { text: 'end', attempt: 2 }],
      `${longText('b')}end`,
    ],
  ]

  test.each(stories)(
    '%s comes in pieces of whole characters, and a client can resume behind each',
    async (_, entries, content) => {
      const stream = new MemoryStream()
      for (const entry of entries) stream.append(entry)
      const all = await sameFromEvery(stream, succeeded(content))
      expect(toldText(all)).toBe(content)
      const deltas = deltasOf(all)
      for (const { text } of deltas) {
        expect(text.length).toBeLessThanOrEqual(MAX_DELTA)
        expect(Buffer.from(text).toString()).toBe(text)
      }
      const ids = all.flatMap((event) => ('id' in event ? [event.id] : []))
      expect(new Set(ids).size).toBe(ids.length)
      for (const id of ids) expect(id).toMatch(EVENT_ID)
    },
  )

  test('has its chunks on the last piece, and no chunks on the others', async () => {
    const stream = new MemoryStream()
    stream.append({ text: longText('a'), chunks: '[{"n":1}]' })
    const all = await sameFromEvery(stream, succeeded(longText('a')))
    expect(deltasOf(all).map(({ chunks }) => chunks)).toEqual(['[]', '[]', '[{"n":1}]'])
  })

  test('of exactly that length is one delta', async () => {
    const text = 'x'.repeat(MAX_DELTA)
    const stream = new MemoryStream()
    const id = stream.append({ text })
    expect(deltasOf(await replay(stream, succeeded(text)))).toEqual([{ kind: 'delta', id, text }])
  })

  test('is begun again for a client that has the beginning of another one', async () => {
    const [, piece] = deltasOf(await replay(new MemoryStream(), succeeded(longText('old'))))
    const view = succeeded(longText('new'))
    const [first, ...rest] = await replay(new MemoryStream(), view, piece?.id)
    expect(first).toMatchObject({ kind: 'restart' })
    expect(toldText(rest)).toBe(longText('new'))
    const ended = await replay(new MemoryStream(), succeeded(''), piece?.id)
    expect(ended.map(({ kind }) => kind)).toEqual(['restart', 'done'])
  })

  test('is begun again where the entry is not there, or is shorter', async () => {
    const stream = new MemoryStream()
    const id = stream.append({ text: 'short' })
    for (const last of [`${id}:5`, `${id}:8192`, '17-0:3', '0-0:1', '0-1:1']) {
      const [first, ...rest] = await replay(stream, succeeded('short'), last)
      expect([last, first?.kind, toldText(rest)]).toEqual([last, 'restart', 'short'])
    }
  })
})

test('the id of a piece says how much of the text the client has', () => {
  expect(positionOf('17-3:8192')).toEqual({ kind: 'within', id: '17-3', length: 8_192 })
  const digest = '0123456789abcdef'
  expect(positionOf(`0-1:8192:${digest}`)).toEqual({ kind: 'partial', length: 8_192, digest })
  for (const none of ['17-3:', '17-3:x', `17-3:1:${digest}`, '0-1:1:xyz', '17-3:1234567890']) {
    expect([none, positionOf(none)]).toEqual([none, undefined])
  }
})

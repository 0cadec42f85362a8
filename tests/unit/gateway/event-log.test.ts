import { describe, expect, test } from 'vitest'
import { DONE_ID, EVENT_ID, positionOf } from '../../../src/gateway/event-log.ts'
import {
  MemoryStream,
  OPEN_VIEW,
  brief,
  endedView,
  lastIdOf,
  reader,
  replay,
  succeeded,
} from '../../support/stream.ts'
import type { Entry } from '../../support/stream.ts'

const END: Entry = { isEnd: true, run: 'r1' }

function streamOf(...entries: Entry[]): MemoryStream {
  const stream = new MemoryStream()
  for (const entry of entries) stream.append(entry)
  return stream
}

describe('the id of an event', () => {
  test('is a position behind an entry, before one, or behind everything', () => {
    expect(positionOf('17-3')).toEqual({ kind: 'after', id: '17-3' })
    expect(positionOf('17-3:restart')).toEqual({ kind: 'before', id: '17-3' })
    expect(positionOf('0-1')).toEqual({ kind: 'end' })
    expect(positionOf('0-1:restart')).toEqual({ kind: 'content' })
    for (const none of [DONE_ID, '', 'x', '17', '17-3:done']) {
      expect([none, positionOf(none)]).toEqual([none, undefined])
    }
  })
})

describe('a reader of the deltas', () => {
  test('gets each piece once, as it comes, and the end', async () => {
    const stream = new MemoryStream()
    const { read } = reader(stream)
    expect(await read()).toEqual([])
    const first = stream.append({ text: 'one ' })
    expect(await read()).toEqual([{ kind: 'delta', id: first, text: 'one ' }])
    expect(await read()).toEqual([])
    for (const text of ['two ', 'three ', 'four ', 'five']) stream.append({ text })
    expect(brief(await read())).toEqual(['+two ', '+three ', '+four ', '+five'])
    const view = succeeded('one two three four five')
    expect(await read(view)).toEqual([{ kind: 'done', id: DONE_ID, view }])
  })

  test('gets the engine’s chunks with their text, and begins again where only chunks were streamed', async () => {
    const stream = streamOf({ chunks: '[{"a":1.0}]' }, { text: 'x', chunks: '[2]', attempt: 2 })
    const events = await replay(stream, succeeded('x'))
    const [first, second] = stream.entries
    expect(events.slice(0, 3)).toEqual([
      { kind: 'delta', id: first?.id, text: '', chunks: '[{"a":1.0}]' },
      { kind: 'restart', id: `${second?.id}:restart` },
      { kind: 'delta', id: second?.id, text: 'x', chunks: '[2]' },
    ])
  })

  test('gets the rest of the content, where the worker streamed the beginning', async () => {
    expect(brief(await replay(streamOf({ text: 'half ' }), succeeded('half whole')))).toEqual([
      '+half ',
      '+whole',
      'succeeded',
    ])
  })

  test('gets all of the content in one piece, where the worker streamed nothing', async () => {
    expect(brief(await replay(new MemoryStream(), succeeded('whole')))).toEqual([
      '+whole',
      'succeeded',
    ])
    expect(brief(await replay(new MemoryStream(), succeeded('')))).toEqual(['succeeded'])
  })

  test.each([
    ['is another one', 'Bonjour', ['+Hello', 'restart', '+Bonjour', 'succeeded']],
    ['is shorter', 'Hell', ['+Hello', 'restart', '+Hell', 'succeeded']],
    ['is empty', '', ['+Hello', 'restart', 'succeeded']],
  ])('begins again, where the content %s than what was streamed', async (_, content, told) => {
    expect(brief(await replay(streamOf({ text: 'Hello' }), succeeded(content)))).toEqual(told)
  })

  test('compares what was streamed character by character, where a piece ends in the middle of one', async () => {
    const stream = streamOf({ text: 'a\ud83d' }, { text: '\ude42b' })
    expect(brief(await replay(stream, succeeded('a🙂bc')))).toEqual([
      '+a\ud83d',
      '+\ude42b',
      '+c',
      'succeeded',
    ])
  })

  test.each([{ kind: 'failed', type: 'E', message: 'm' }, { kind: 'cancelled' }] as const)(
    'keeps what was streamed of a job that ended without a content: $kind',
    async (outcome) => {
      const stream = streamOf({ text: 'half' }, END)
      expect(brief(await replay(stream, endedView(outcome)))).toEqual(['+half', outcome.kind])
    },
  )
})

describe('which entries count', () => {
  test('those of the run, and those that name none', async () => {
    const stream = streamOf(
      { text: 'theirs', run: 'r0', attempt: 9 },
      { text: 'ours ', run: 'r1' },
      { text: 'too' },
    )
    expect(brief(await replay(stream, succeeded('ours too')))).toEqual([
      '+ours ',
      '+too',
      'succeeded',
    ])
  })

  test('those of the latest attempt: a higher one begins again, a lower one came late', async () => {
    const stream = streamOf(
      { text: 'first ' },
      { text: 'second ', attempt: 2 },
      { text: 'late ' },
      { text: 'third', attempt: 3 },
      { text: ' late', attempt: 2 },
    )
    expect(brief(await replay(stream, OPEN_VIEW))).toEqual([
      '+first ',
      'restart',
      '+second ',
      'restart',
      '+third',
    ])
  })

  test('no restart comes before an attempt where the earlier one has said nothing', async () => {
    const stream = streamOf({ text: 'theirs', run: 'r0' }, { text: 'ours', attempt: 2 })
    expect(brief(await replay(stream, OPEN_VIEW))).toEqual(['+ours'])
  })

  test('those of the first writer in an attempt', async () => {
    const stream = streamOf(
      { text: 'a1 ', writer: 'a' },
      { text: 'b1 ', writer: 'b' },
      { text: 'nameless ' },
      { text: 'a2 ', writer: 'a' },
      { text: 'b3 ', writer: 'b', attempt: 2 },
      { text: 'a3 ', writer: 'a', attempt: 2 },
      { text: 'b4', writer: 'b', attempt: 2 },
    )
    const told = ['+a1 ', '+a2 ', 'restart', '+b3 ', '+b4']
    const all = await replay(stream, OPEN_VIEW)
    expect(brief(all)).toEqual(told)
    // A client that comes again is led by the same writer.
    for (const [index] of all.entries()) {
      const rest = await replay(stream, OPEN_VIEW, lastIdOf(all.slice(0, index + 1)))
      expect(brief(rest)).toEqual(told.slice(index + 1))
    }
  })

  test('none behind the end, of whatever attempt and writer', async () => {
    const stream = streamOf({ text: 'in time' }, END)
    const live = reader(stream)
    await live.read()
    stream.append({ text: ' late' })
    stream.append({ text: 'again', attempt: 2 })
    await live.read()
    await live.read(endedView({ kind: 'cancelled' }))
    expect(brief(live.events)).toEqual(['+in time', 'cancelled'])
    expect(await replay(stream, endedView({ kind: 'cancelled' }))).toEqual(live.events)
  })

  test('those behind the end of another run', async () => {
    const stream = streamOf({ ...END, run: 'r0' }, { text: 'ours', run: 'r1' })
    expect(brief(await replay(stream, OPEN_VIEW))).toEqual(['+ours'])
  })
})

describe('a client that comes again', () => {
  test('with nothing that can be found begins again', async () => {
    const stream = streamOf({ text: 'one ' }, { text: 'two' })
    const lost = ['5-0', '1790000000000-7', '1790000000009-0:restart', '0-1']
    for (const id of lost) {
      expect([id, brief(await replay(stream, OPEN_VIEW, id))]).toEqual([
        id,
        ['restart', '+one ', '+two'],
      ])
    }
  })

  test('with the restart of a run gets that run from its start', async () => {
    const stream = streamOf({ text: 'one' })
    expect(brief(await replay(stream, OPEN_VIEW, '0-0'))).toEqual(['+one'])
  })

  test('with all of the content gets the end alone', async () => {
    expect(brief(await replay(streamOf({ text: 'x' }), succeeded('xy'), '0-1'))).toEqual([
      'succeeded',
    ])
  })

  test('with the restart before the whole content gets the content, and no delta before it', async () => {
    const all = await replay(streamOf({ text: 'Hello' }), succeeded('Bonjour'))
    const restart = all.find(({ kind }) => kind === 'restart')
    const id = restart !== undefined && 'id' in restart ? restart.id : ''
    expect(id).toMatch(EVENT_ID)
    const stream = streamOf({ text: 'Hello' })
    expect(brief(await replay(stream, succeeded('Bonjour'), id))).toEqual(['+Bonjour', 'succeeded'])
    // Of a new run that has not ended, the client has nothing.
    expect(brief(await replay(stream, OPEN_VIEW, id))).toEqual(['restart', '+Hello'])
  })

  test('to a new run of the id begins again', async () => {
    const stream = streamOf({ text: 'first', run: 'r1' })
    const client = reader(stream)
    await client.read()
    stream.entries = []
    stream.append({ text: 'second', run: 'r2' })
    expect(brief(await client.read(succeeded('second'), 'r2'))).toEqual([
      'restart',
      '+second',
      'succeeded',
    ])
  })
})

import { describe, expect, test } from 'vitest'
import { KEPT_ENTRIES } from '../../../src/gateway/event-log.ts'
import { pickOf, randomOf } from '../../support/random.ts'
import {
  MemoryStream,
  endedView,
  lastIdOf,
  reader,
  replay,
  succeeded,
  toldText,
} from '../../support/stream.ts'
import type { JobEvent, JobView } from '../../../src/job.ts'
import type { Entry } from '../../support/stream.ts'

const END: Entry = { isEnd: true, run: 'r1' }

/** Comes in more than one piece, with a cut in the middle of a character. */
const LONG = 'c' + '👋'.repeat(5_000)

/** One job, of which everything depends on the seed alone. */
function storyOf(seed: number) {
  const random = randomOf(seed)
  const pick = pickOf(random)
  const stream = new MemoryStream(pick([1, 2, 3, 100]))
  const entries = Array.from({ length: Math.floor(random() * 12) }, (): Entry => ({
    text: pick(['', 'a', 'ab', 'b', '\ud83d', '\ude42', LONG]),
    run: pick(['r1', 'r1', 'r1', undefined, undefined, 'r0']),
    writer: pick(['v', 'v', 'w', undefined]),
    attempt: pick([1, 1, 1, 2, 2, 3]),
  }))
  const late = entries.splice(Math.floor(random() * (entries.length + 3)))
  return { random, pick, stream, entries, late }
}

function outcomeFor(told: string, pick: <T>(all: readonly T[]) => T): JobView {
  return pick([
    succeeded(told),
    succeeded(told),
    succeeded(`${told}ab`),
    succeeded(told.slice(1)),
    succeeded(`b${told}`),
    succeeded(''),
    endedView({ kind: 'failed', type: 'E', message: 'm' }),
    endedView({ kind: 'cancelled' }),
  ])
}

const SEEDS = Array.from({ length: 300 }, (_, index) => index + 1)

describe('whatever a worker streams', () => {
  test('a live reader, a full replay and every client that comes again get the same events', async () => {
    const kinds = new Set<string>()
    for (const seed of SEEDS) {
      const { random, pick, stream, entries, late } = storyOf(seed)
      const live = reader(stream)
      const resumed: { readonly from: readonly JobEvent[]; readonly client: typeof live }[] = []
      for (const entry of entries) {
        stream.append(entry)
        if (random() < 0.5) await live.read()
        // A client loses its connection after any event, and comes again while the job runs.
        const from = live.events.slice(0, Math.floor(random() * (live.events.length + 1)))
        const client = reader(stream, lastIdOf(from))
        if (random() < 0.5) await client.read()
        resumed.push({ from, client })
      }
      await live.read()
      const view = outcomeFor(toldText(live.events), pick)
      stream.append(END)
      for (const entry of late) {
        stream.append(entry)
        if (random() < 0.3) await live.read()
      }
      await live.read(view)
      const all = await replay(stream, view)
      expect([seed, all]).toEqual([seed, live.events])
      const { outcome } = view
      const text = outcome?.kind === 'succeeded' ? outcome.content : toldText(live.events)
      expect([seed, toldText(all)]).toEqual([seed, text])
      expect([seed, all.filter(({ kind }) => kind === 'done')]).toEqual([seed, all.slice(-1)])
      for (const { from, client } of resumed) {
        await client.read(view)
        expect([seed, [...from, ...client.events]]).toEqual([seed, all])
      }
      for (const [index, event] of all.slice(0, -1).entries()) {
        kinds.add(event.kind)
        const rest = await replay(stream, view, lastIdOf(all.slice(0, index + 1)))
        expect([seed, index, rest]).toEqual([seed, index, all.slice(index + 1)])
      }
    }
    expect(kinds).toEqual(new Set(['delta', 'restart']))
  })
})

describe('a stream whose head was cut', () => {
  const written = 120_000

  /** So many entries of one letter, of which the last `KEPT_ENTRIES` are left: each part of the text looks like every other. */
  function cutStream(): MemoryStream {
    const stream = new MemoryStream(10_000)
    for (let count = 0; count < written; count += 1) stream.append({ text: 'a' })
    return stream
  }

  test.each([
    ['from the start', 0],
    ['from an entry that is gone', 10_000],
    ['from an entry that is left', 60_000],
  ])('gives the right text in the end to a reader %s', async (_, has) => {
    const stream = cutStream()
    const from = has === 0 ? undefined : stream.entries[has - 1]?.id
    const had: JobEvent[] = [{ kind: 'delta', id: from ?? '', text: 'a'.repeat(has) }]
    stream.trim(KEPT_ENTRIES)
    stream.append(END)
    const content = 'a'.repeat(written)
    const told = await replay(stream, succeeded(content), from)
    const text = toldText([...had, ...told])
    expect([text.length, text === content]).toEqual([written, true])
    expect(told.some(({ kind }) => kind === 'restart')).toBe(true)
  })

  test('voids what a slow reader has, where no content comes that is whole', async () => {
    const stream = new MemoryStream(10_000)
    const client = reader(stream)
    for (let count = 0; count < written; count += 1) {
      stream.append({ text: 'a' })
      if (count === 10) await client.read()
    }
    stream.trim(KEPT_ENTRIES)
    stream.append(END)
    await client.read(endedView({ kind: 'cancelled' }))
    expect(toldText(client.events).length).toBe(0)
  })
})

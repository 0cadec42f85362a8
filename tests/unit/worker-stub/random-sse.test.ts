import { describe, expect, test } from 'vitest'
import { SseReader } from '../../../worker-stub/engines/upstream/sse.ts'
import { isLong, named } from '../../support/long.ts'
import { pickOf, randomOf } from '../../support/random.ts'

const STREAMS = isLong ? 30_000 : 3_000
const SEED = 20_261_128

interface Told {
  readonly name: string
  readonly data: string
}

/**
 * The reference: the rules of HTML for the interpretation of an event stream, over the whole text at
 * once (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation),
 * save that an event at the end needs no blank line.
 */
function reference(text: string): Told[] {
  const told: Told[] = []
  let [name, data] = ['', [] as string[]]
  for (const line of `${text}\n\n`.split(/\r\n|\n|\r/)) {
    if (line === '') {
      if (data.length > 0) told.push({ name, data: data.join('\n') })
      ;[name, data] = ['', []]
      continue
    }
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data.push(value)
    if (field === 'event') name = value
  }
  return told
}

/** A stream of lines that servers write, in any order, with any mixture of line ends. */
function randomStream(random: () => number): string {
  const pick = pickOf(random)
  const lines = Array.from({ length: Math.floor(random() * 24) }, () =>
    pick([
      ...Array.from({ length: 6 }, () => ''),
      'data: {"choices":[{"delta":{"content":"я\u2028🙂"}}]}',
      'data:{"a":1}',
      'data:  two blanks',
      'data: [DONE]',
      'data',
      'data:',
      'data: ',
      'event: ping',
      'event:',
      'event',
      ': a comment',
      ':',
      'id: 5',
      'id',
      'retry: 3000',
      'retry: soon',
      'unknown: field',
      'unknown',
      ' data: not at the beginning',
      'database: no field',
      'Data: not in capitals',
      'events: no field',
    ]),
  )
  // Without its last line end at times: a stream may stop anywhere.
  const text = lines.map((line) => line + pick(['\n', '\r\n', '\r'])).join('')
  const cut = random() < 0.2 ? text.slice(0, Math.floor(random() * text.length)) : text
  // Half of a character of two becomes one of its own, as it does in bytes.
  return Buffer.from(cut).toString()
}

/** The bytes in pieces, which cut characters and line ends. */
function* randomPieces(text: string, random: () => number): Generator<Uint8Array> {
  const bytes = Buffer.from(random() < 0.1 ? `\uFEFF${text}` : text)
  const most = 1 + Math.floor(random() ** 3 * 200)
  for (let at = 0; at < bytes.length;) {
    const length = 1 + Math.floor(random() * most)
    yield bytes.subarray(at, at + length)
    at += length
  }
}

function read(pieces: Iterable<Uint8Array>): Told[] {
  const told: Told[] = []
  const decoder = new TextDecoder()
  const reader = new SseReader({
    onEvent: (name, data) => told.push({ name, data }),
    onJson: (json) => told.push({ name: 'json', data: JSON.stringify(json) }),
  })
  for (const piece of pieces) reader.feed(decoder.decode(piece, { stream: true }))
  reader.feed(decoder.decode())
  reader.end()
  return told
}

describe('random streams', () => {
  test(`${named(STREAMS)} streams, cut at random, are read as the rules say`, () => {
    const random = randomOf(SEED)
    const wrong: object[] = []
    let events = 0
    for (let count = 0; count < STREAMS; count += 1) {
      const text = randomStream(random)
      const expected = reference(text)
      const pieces = [...randomPieces(text, random)]
      // Compared as texts: an assertion for each would take longer than the reading.
      const told = read(pieces)
      if (JSON.stringify(told) !== JSON.stringify(expected)) wrong.push({ text, told, expected })
      events += expected.length
    }
    expect(wrong).toEqual([])
    expect(events).toBeGreaterThan(STREAMS)
  }, 120_000)

  test('an event is passed on with its blank line, and not only when more comes', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const told: string[] = []
      const reader = new SseReader({ onEvent: (_, data) => told.push(data), onJson: () => {} })
      for (const character of `data: x${end}${end}`) reader.feed(character)
      expect({ end, told }).toEqual({ end, told: ['x'] })
    }
  })
})

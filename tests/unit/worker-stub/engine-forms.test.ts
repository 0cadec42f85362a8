import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { C, D, F, HELLO, answerOf, whole } from '../../support/upstream.ts'

const hello = { kind: 'succeeded', content: 'Hello' }

describe('the form of an answer follows from what it is', () => {
  const types = [
    'application/json',
    'text/plain',
    'application/octet-stream',
    'text/html',
    'text/event-stream',
    'TEXT/EVENT-STREAM',
    'application/x-ndjson',
    '',
  ]
  const completion = whole({ content: 'Hello' })
  const pretty = JSON.stringify(JSON.parse(completion), null, 2)
  const [chunks, last] = [[C('Hel'), C('lo'), F()].map((text) => text.slice(6, -2)), completion]
  const forms: [string, string[]][] = [
    ['a stream', HELLO],
    ['a stream behind blank lines', ['\n \n', ...HELLO]],
    ['a stream behind a byte order mark', ['\uFEFF', ...HELLO]],
    ['a whole completion', [completion]],
    ['one behind blanks', ['\n  ', completion]],
    ['one behind a byte order mark', ['\uFEFF', completion]],
    ['one on several lines', [pretty]],
    ['one and [DONE]', [completion, '\ndata: [DONE]\n\n']],
    ['one on several lines and [DONE]', [pretty, '\n\n', D]],
    ['one as an event', [`data: ${completion}\n\n`]],
    ['lines of JSON', [`${chunks.join('\n')}\n`]],
    ['a list of one', [`[${last}]`]],
  ]
  test.each(forms.flatMap(([name, pieces]) => types.map((type) => [name, type, pieces] as const)))(
    '%s as %j',
    async (_, type, pieces) => {
      const headers: Record<string, string> = type === '' ? {} : { 'content-type': type }
      expect(await answerOf(pieces, headers)).toMatchObject(hello)
    },
  )

  test.each(['\n', '\r\n', '\r'])('line ends of %j', async (end) => {
    const text = [': hi\n\n', ...HELLO].join('').replaceAll('\n', end)
    expect(await answerOf([text])).toMatchObject(hello)
    expect(await answerOf(Array.from(text))).toMatchObject(hello)
  })

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ] as const)('compressed by %s, whatever was asked for', async (encoding, compress) => {
    const headers = { 'content-type': 'text/event-stream', 'content-encoding': encoding }
    expect(await answerOf([compress(HELLO.join(''))], headers)).toMatchObject(hello)
  })

  test('half of what was compressed is none', async () => {
    const bytes = gzipSync(whole({ content: 'Hello'.repeat(1_000) }))
    const headers = { 'content-encoding': 'gzip' }
    expect(await answerOf([bytes.subarray(0, 60)], headers)).toMatchObject({ kind: 'failed' })
  })

  test.each([
    '<html>canary</html>',
    'canary',
    '"canary"',
    '{"canary',
    '5',
    '{}',
    '[]',
    '{"choices":"canary"}',
    'data: canary\n\n',
    'data: "canary"\n\n',
  ])('what is no answer of the API is none, and is not repeated: %s', async (text) => {
    const outcome = await answerOf([text])
    expect(outcome).toMatchObject({ kind: 'failed', type: 'upstream_error' })
    expect(JSON.stringify(outcome)).not.toContain('canary')
  })
})

import { describe, expect, test } from 'vitest'
import { appWith, valid } from '../../support/app.ts'

const TEXT = JSON.stringify({ ...valid, content: 'Привет 👋' })

/** Sends bytes as they are: with a length, in one chunk, or in chunks of one byte, which cut every character. */
async function send(
  bytes: Buffer,
  framing: 'length' | 'chunk' | 'bytes' = 'length',
  headers: Record<string, string> = {},
) {
  const { app, run } = appWith()
  const pieces = framing === 'bytes' ? [...bytes].map((byte) => Buffer.from([byte])) : [bytes]
  const body =
    framing === 'length'
      ? bytes
      : new ReadableStream({
          start(controller) {
            for (const piece of pieces) controller.enqueue(piece)
            controller.close()
          },
        })
  const length: Record<string, string> =
    framing === 'length'
      ? { 'content-length': String(bytes.length) }
      : { 'transfer-encoding': 'chunked' }
  const init = { method: 'POST', body, duplex: 'half' } as RequestInit
  const reply = await app.request('/generate', {
    ...init,
    headers: { 'content-type': 'application/json', ...length, ...headers },
  })
  const json = (await reply.json()) as { code?: string; detail: unknown }
  return { status: reply.status, headers: reply.headers, json, job: run.mock.calls[0]?.[0] }
}

const framings = ['length', 'chunk', 'bytes'] as const

describe.each(framings)('a body that comes by %s', (framing) => {
  test('is read as UTF-8', async () => {
    const { status, job } = await send(Buffer.from(TEXT), framing)
    expect({ status, content: job?.messages[0]?.content }).toEqual({
      status: 200,
      content: 'Привет 👋',
    })
  })

  test('may begin with one byte order mark', async () => {
    const { status, job } = await send(Buffer.from(`\uFEFF${TEXT}`), framing)
    expect({ status, content: job?.messages[0]?.content }).toEqual({
      status: 200,
      content: 'Привет 👋',
    })
    expect((await send(Buffer.from(`\uFEFF\uFEFF${TEXT}`), framing)).json.detail).toMatchObject([
      { type: 'json_invalid' },
    ])
  })

  test.each([
    ['windows-1251', 'cff0e8e2e5f2'],
    ['an overlong slash', 'c0af'],
    ['half of a surrogate pair', 'eda0bd'],
    ['a character that is cut off', 'e282'],
    ['a byte that is never in UTF-8', 'ff'],
    ['a code point above U+10FFFF', 'f4908080'],
  ])('that is not UTF-8 is a 422, and no job: %s', async (_, hex) => {
    const [head = '', tail = ''] = JSON.stringify({ ...valid, content: '|' }).split('|')
    const bytes = Buffer.concat([Buffer.from(head), Buffer.from(hex, 'hex'), Buffer.from(tail)])
    const { status, json, job } = await send(bytes, framing)
    expect({ status, job }).toEqual({ status: 422, job: undefined })
    expect(json.detail).toEqual([
      {
        type: 'json_invalid',
        loc: ['body'],
        msg: 'JSON decode error: the body is not UTF-8',
        input: {},
      },
    ])
  })

  test.each(['utf16le', 'latin1'] as const)('in %s is a 422', async (encoding) => {
    const { status, json } = await send(Buffer.from(TEXT.replace('Привет', 'é'), encoding), framing)
    expect(status).toBe(422)
    expect(json.detail).toMatchObject([{ type: 'json_invalid', loc: ['body'] }])
  })
})

describe('the content type', () => {
  const typed = (type: string) => send(Buffer.from(TEXT), 'length', { 'content-type': type })

  test.each(['utf-8', 'UTF-8', '"utf-8"', 'utf8', 'us-ascii', ''])(
    'may name the charset %s',
    async (charset) => {
      expect((await typed(`application/json; charset=${charset}`)).status).toBe(200)
    },
  )

  test.each(['windows-1251', '"koi8-r"', 'UTF-16', 'iso-8859-1', 'utf-8x'])(
    'with the charset %s is a 415 that names it',
    async (charset) => {
      for (const between of [';charset=', '; v="1;2"; Charset = ']) {
        const { status, json, job } = await typed(`application/json${between}${charset}`)
        expect({ status, code: json.code, job }).toEqual({
          status: 415,
          code: 'unsupported_media_type',
          job: undefined,
        })
        expect(json.detail).toBe(`the charset must be utf-8, not ${charset.replaceAll('"', '')}`)
      }
    },
  )
})

describe('the content encoding', () => {
  const coded = (coding: string) =>
    send(Buffer.from(TEXT), 'length', { 'content-encoding': coding })

  test.each(['gzip', 'deflate', 'br', 'zstd', 'x-gzip', 'GZIP', 'gzip, br', 'identity, gzip'])(
    '%s is a 415 that names it and says which one is taken',
    async (coding) => {
      const { status, json, headers, job } = await coded(coding)
      expect({ status, code: json.code, job }).toEqual({
        status: 415,
        code: 'unsupported_media_type',
        job: undefined,
      })
      expect(json.detail).toBe(`the body must not be compressed: ${coding} is not read here`)
      expect(headers.get('accept-encoding')).toBe('identity')
    },
  )

  test.each(['identity', 'Identity', ''])('%j is taken', async (coding) => {
    expect((await coded(coding)).status).toBe(200)
  })
})

import { jobRequest, requestOf } from './raw.ts'

export type Case = readonly [what: string, bytes: string]

/** What an attacker wants to be read as a request of its own, behind a front that takes it for a body. */
const INNER = jobRequest('smuggled')
const OUTER = JSON.stringify({ job_id: 'outer', meta: {}, content: 'x' })
const CHUNKED = 'Transfer-Encoding: chunked'
const LENGTH = `Content-Length: ${OUTER.length}`
const hex = OUTER.length.toString(16)
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`
const END = '0\r\n\r\n'
/** The inner request comes right behind the body. */
const framed = (lines: string[], body = OUTER): string => requestOf(body + INNER, lines)
const inChunks = (...lines: string[]): string => framed([...lines, CHUNKED], chunk(OUTER) + END)
const chunkedAs = (body: string): string => framed([CHUNKED], body)

/** Framing that two readers can take in two ways, or no framing at all: nothing of it may be believed. */
export const AMBIGUOUS: readonly Case[] = [
  ['a length and chunks', framed([LENGTH, CHUNKED])],
  ['chunks and a length', framed([CHUNKED, LENGTH], chunk(OUTER) + END)],
  ['a length of 0 and chunks', inChunks('Content-Length: 0')],
  ['two lengths that differ', framed([LENGTH, `Content-Length: ${OUTER.length + INNER.length}`])],
  ['two lengths that agree', framed([LENGTH, LENGTH])],
  ['a list of lengths', framed([`Content-Length: ${OUTER.length}, ${OUTER.length}`])],
  ['a length with a plus', framed([`Content-Length: +${OUTER.length}`])],
  ['a negative length', framed(['Content-Length: -1'])],
  ['a length with a blank in it', framed([`Content-Length: ${OUTER.length} 0`])],
  ['a hexadecimal length', framed([`Content-Length: 0x${hex}`])],
  ['a length with a fraction', framed([`Content-Length: ${OUTER.length}.0`])],
  ['a length of 20 digits', framed(['Content-Length: 18446744073709551616'])],
  ['a length without a number', framed(['Content-Length:'])],
  ['chunks that are not the last coding', framed(['Transfer-Encoding: chunked, identity'])],
  ['an unknown coding', framed(['Transfer-Encoding: xchunked'])],
  ['a quoted coding', framed(['Transfer-Encoding: "chunked"'])],
  ['a coding with a vertical tab', framed(['Transfer-Encoding: \x0bchunked'])],
  [
    'a coding and a length, with a blank before the colon',
    framed([LENGTH, 'Transfer-Encoding : chunked']),
  ],
  ['a blank before the colon of a length', framed([`Content-Length : ${OUTER.length}`])],
  ['a folded coding', framed([LENGTH, 'Transfer-Encoding:\r\n chunked'])],
  ['a folded header', framed([LENGTH, 'X-Folded: a\r\n b'])],
  ['a header that begins with a blank', framed([LENGTH, ` ${CHUNKED}`])],
  ['a header without a colon', framed([LENGTH, 'chunked'])],
  ['NUL in a header', framed([LENGTH, 'X-Nul: a\0b'])],
  ['NUL in the name of a header', framed([LENGTH, 'X-\0Nul: a'])],
  ['CR in a header', framed([LENGTH, `X-Cr: a\r${CHUNKED}`])],
  ['LF alone at the ends of lines', framed([LENGTH]).replaceAll('\r\n', '\n')],
  ['LF alone before a coding', framed([LENGTH, `X-Lf: a\n${CHUNKED}`])],
  ['CR alone at the ends of lines', framed([LENGTH]).replaceAll('\r\n', '\r')],
  ['a chunk size with 0x', chunkedAs(`0x${hex}\r\n${OUTER}\r\n${END}`)],
  ['a chunk size with a plus', chunkedAs(`+${hex}\r\n${OUTER}\r\n${END}`)],
  ['a negative chunk size', chunkedAs(`-1\r\n${OUTER}\r\n${END}`)],
  ['a chunk size after a blank', chunkedAs(` ${hex}\r\n${OUTER}\r\n${END}`)],
  ['a chunk size before a blank', chunkedAs(`${hex} \r\n${OUTER}\r\n${END}`)],
  ['a chunk size of 65 bits', chunkedAs(`100000000000000${hex}\r\n${OUTER}\r\n${END}`)],
  ['an empty chunk size', chunkedAs(`\r\n${OUTER}\r\n${END}`)],
  ['a chunk size that ends in LF alone', chunkedAs(`${hex}\n${OUTER}\r\n${END}`)],
  ['a chunk extension with LF', chunkedAs(`${hex};a\nb\r\n${OUTER}\r\n${END}`)],
  ['a chunk longer than its size', chunkedAs(`2\r\n${OUTER}\r\n${END}`)],
  ['a chunk that ends in LF alone', chunkedAs(`${hex}\r\n${OUTER}\n${END}`)],
  ['a blank before the request line', ` ${framed([LENGTH])}`],
  ['a tab in the request line', requestOf(OUTER + INNER, [LENGTH], 'POST\t/generate HTTP/1.1')],
  ['NUL in the target', requestOf(OUTER + INNER, [LENGTH], 'POST /gen\0erate HTTP/1.1')],
  ['no such version', requestOf(OUTER + INNER, [LENGTH], 'POST /generate HTTP/1.9')],
  ['no version', `POST /generate\r\n${LENGTH}\r\n\r\n${OUTER}${INNER}`],
  ['the preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${INNER}`],
  ['no host', framed([LENGTH]).replace('Host: x\r\n', '')],
  ['two codings that are both chunks', inChunks(CHUNKED)],
  [
    'a coding after the chunks, on a line of its own',
    framed([CHUNKED, 'Transfer-Encoding: identity'], chunk(OUTER) + END),
  ],
  ['chunks and an empty coding', framed(['Transfer-Encoding: chunked,'], chunk(OUTER) + END)],
  ['chunks with a parameter', framed(['Transfer-Encoding: chunked;a'], chunk(OUTER) + END)],
  ['chunks and a tab', framed(['Transfer-Encoding: chunked\t'], chunk(OUTER) + END)],
  [
    'a length among the trailers',
    requestOf(`${chunk(OUTER)}0\r\nContent-Length: 5\r\n\r\n${INNER}`, [CHUNKED]),
  ],
]

const job = (...lines: string[]): string => requestOf(OUTER, lines)
const chunked = (...lines: string[]): string => requestOf(chunk(OUTER) + END, lines)
/** The inner request is all there is of the body. */
const hidden = (requestLine: string, ...lines: string[]): string =>
  requestOf(INNER, [`Content-Length: ${INNER.length}`, ...lines], requestLine)

/** One job each, by any reading of its framing. */
export const JOBS: readonly Case[] = [
  ['a length', job(LENGTH)],
  ['chunks', chunked(CHUNKED)],
  ['chunks in capitals', chunked(CHUNKED.toUpperCase())],
  ['chunks as the last of two codings', chunked('Transfer-Encoding: identity, chunked')],
  ['chunks as the last of two lines', chunked('Transfer-Encoding: identity', CHUNKED)],
  ['a chunk extension', requestOf(`${hex};a=b\r\n${OUTER}\r\n${END}`, [CHUNKED])],
  ['a chunk size with zeros', requestOf(`0000${hex}\r\n${OUTER}\r\n${END}`, [CHUNKED])],
  ['a length with zeros', job(`Content-Length: 000${OUTER.length}`)],
  ['a length between blanks', job(`Content-Length:   ${OUTER.length}  `)],
  ['a coding with an underscore', job(LENGTH, 'Transfer_Encoding: chunked')],
  ['a length with an underscore', job(LENGTH, 'Content_Length: 0', 'X-Content-Length: 0')],
  ['a length that the connection claims', job(LENGTH, 'Connection: content-length')],
  ['a whole URL of another host', job(LENGTH).replace(' /', ' http://elsewhere/')],
  ['empty lines before it', `\r\n\r\n${job(LENGTH)}`],
  ['two blanks in the request line', job(LENGTH).replace('POST ', 'POST  ')],
  ['a client that waits for 100', job(LENGTH, 'Expect: 100-continue')],
  ['an upgrade to HTTP/2', job(LENGTH, 'Connection: upgrade', 'Upgrade: h2c')],
  ['HTTP/1.0', job(LENGTH, 'Connection: keep-alive').replace('/1.1', '/1.0')],
]

/** A request that is no job, with a job for a body: the answer's status. */
export const NO_JOBS: readonly (readonly [what: string, bytes: string, status: number])[] = [
  ['an unknown path', hidden('POST /nowhere HTTP/1.1'), 404],
  ['another method', hidden('PUT /generate HTTP/1.1'), 405],
  ['a method that has no body', hidden('GET /livez HTTP/1.1'), 200],
  ['OPTIONS', hidden('OPTIONS /generate HTTP/1.1'), 405],
  ['TRACE', hidden('TRACE /generate HTTP/1.1'), 405],
  ['a body that is no JSON', hidden('POST /generate HTTP/1.1'), 422],
  [
    'another type of body',
    hidden('POST /generate HTTP/1.1').replace('application/json', 'x/y'),
    415,
  ],
  ['a length over the limit', requestOf(INNER, ['Content-Length: 2000000']), 413],
  ['an unknown expectation', hidden('POST /generate HTTP/1.1', 'Expect: banana'), 417],
  ['a URL of another scheme', hidden('POST ftp://elsewhere/generate HTTP/1.1'), 400],
  ['a URL with a port that is none', hidden('POST http://elsewhere:99999/generate HTTP/1.1'), 400],
  [
    'a host that is none',
    hidden('POST /generate HTTP/1.1').replace('Host: x', 'Host: a/b?c@d'),
    400,
  ],
  ['no path', hidden('POST * HTTP/1.1'), 400],
]

/** Front ends of that age do not know chunks: a server that gets them may not read on behind them. */
export const CHUNKS_OF_HTTP_1_0 = inChunks('Connection: keep-alive').replace('/1.1', '/1.0')

/** Two jobs that no server could take for one. */
export const TWO_JOBS = job(LENGTH) + INNER

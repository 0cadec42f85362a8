import { describe, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { C, D, F, HELLO, ask, event, job, upstream, whole } from '../../support/upstream.ts'
import type { ServerResponse } from 'node:http'

const hello = { kind: 'succeeded', content: 'Hello' }

/** A server that keeps every response open. */
async function open(
  pieces: readonly string[],
  then: (response: ServerResponse) => void = () => {},
) {
  let isClosed = false
  const { url, requests } = await upstream((response) => {
    response.on('close', () => (isClosed = true))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const piece of pieces) response.write(piece)
    then(response)
  })
  const closed = () => eventually('the connection is closed', () => isClosed, 2_000)
  return { url, requests, closed }
}

/** As a server that says it is alive, until the connection is closed. */
function heartbeats(response: ServerResponse): void {
  const timer = setInterval(() => response.write(': hb\n\n'), 100)
  response.on('close', () => clearInterval(timer))
}

describe('an answer ends where it is complete', () => {
  const completion = whole({ content: 'Hello' })
  test.each([
    ['[DONE], and the connection stays open', HELLO, () => {}, 1_000],
    ['[DONE], and heartbeats go on', HELLO, heartbeats, 1_000],
    ['[DONE] without a finish reason', [C('Hello'), D], heartbeats, 1_000],
    ['[DONE] behind a whole completion', [completion, `\n${D}`], heartbeats, 1_000],
    ['a whole completion on a line', [`${completion}\n`], heartbeats, 1_000],
    ['the finish reason, and heartbeats for ever', [C('Hello'), F()], heartbeats, 4_000],
    ['the finish reason, and a reset', [C('Hello'), F()], reset, 4_000],
    ['[DONE], and a reset', HELLO, reset, 1_000],
  ] as const)('after %s', async (_, pieces, then, withinMs) => {
    const { url, closed } = await open(pieces, then)
    const began = performance.now()
    expect((await ask(url)).outcome).toMatchObject(hello)
    expect(performance.now() - began).toBeLessThan(withinMs)
    await closed()
  })

  function reset(response: ServerResponse): void {
    setTimeout(() => response.socket?.resetAndDestroy(), 50)
  }

  test('a usage that comes after the finish reason counts', async () => {
    const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } })
    const { url } = await open([C('Hello'), F()], (response) => {
      setTimeout(() => response.write(usage + D), 100)
    })
    const { outcome } = await ask(url)
    expect(outcome).toMatchObject({ ...hello, usage: { promptTokens: 1, completionTokens: 2 } })
  })

  test('an error ends it at once', async () => {
    const { url, closed } = await open([C('Hel'), 'data: {"error":"boom"}\n\n'], heartbeats)
    expect((await ask(url)).outcome).toMatchObject({ kind: 'failed', message: 'boom' })
    await closed()
  })

  test('half an answer whose connection is reset is none, and is not asked for again', async () => {
    const { url, requests } = await open([C('Hel')], reset)
    const { outcome, deltas } = await ask(url)
    expect(deltas).toEqual(['Hel'])
    expect(outcome).toMatchObject({
      type: 'upstream_error',
      message: 'the answer was cut off (ECONNRESET)',
    })
    expect(requests).toHaveLength(1)
  })
})

describe('the time of a job', () => {
  test.each([
    ['headers never come', () => {}],
    [
      'heartbeats go on for ever',
      (response: ServerResponse) => {
        response.writeHead(200)
        heartbeats(response)
      },
    ],
    [
      'text never ends',
      (response: ServerResponse) => {
        response.writeHead(200)
        const timer = setInterval(() => response.write(C('x')), 20)
        response.on('close', () => clearInterval(timer))
      },
    ],
  ])('ends it where %s, and the connection is closed', async (_, respond) => {
    let isClosed = false
    const { url } = await upstream((response) => {
      response.on('close', () => (isClosed = true))
      respond(response)
    })
    const { outcome } = await ask(url, {}, undefined, { ...job, ttlMs: 300 })
    expect(outcome).toMatchObject({ kind: 'failed', type: 'upstream_timeout' })
    await eventually('the connection is closed', () => isClosed)
  })

  test('longer than any timer takes is no fault', async () => {
    const { url } = await upstream((response) => void response.end(HELLO.join('')))
    const { outcome } = await ask(url, {}, undefined, { ...job, ttlMs: 365 * 86_400_000 })
    expect(outcome).toMatchObject(hello)
  })

  test('a cancel is heard before the headers, in the middle and while it waits to try again', async () => {
    for (const respond of [
      () => {},
      (response: ServerResponse) => void response.write(C('Hel')),
      (response: ServerResponse) => void response.writeHead(503, { 'retry-after': '5' }).end(),
    ]) {
      const { url, requests } = await upstream(respond)
      const abort = new AbortController()
      const reason = new Error('no client wants it')
      const running = ask(url, {}, abort.signal)
      await eventually('it is asked', () => requests.length === 1)
      abort.abort(reason)
      await expect(running).rejects.toBe(reason)
    }
  })
})

test('a connection whose answer has ended in order is used again', async () => {
  const ports: (number | undefined)[] = []
  const { url } = await upstream((response) => {
    ports.push(response.socket?.remotePort)
    response.end(HELLO.join(''))
  })
  await eventually('a connection serves twice', async () => {
    await ask(url)
    return new Set(ports).size < ports.length
  })
})

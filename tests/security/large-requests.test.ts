import { describe, expect, test } from 'vitest'
import { ask, startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import { CHAT, hello } from '../support/openai.ts'
import { freshSettings } from '../support/scene.ts'
import { RawClient, requestOf } from './support/raw.ts'
import type { Settings } from '../support/scene.ts'

async function scene(more: Settings, answered: Promise<unknown> = Promise.resolve()) {
  const settings = { ...freshSettings(), ...more }
  const worker = await startEngineWorker(settings, async (job) => {
    await answered
    await job.end({ kind: 'succeeded', content: 'x', body: '{"choices":[]}' })
  })
  const gateway = await startOpenAiGateway(settings)
  /** A client that states a length and has sent so many bytes of it. */
  const begin = (length: number, sent: number, framing = `Content-Length: ${length}`) => {
    const client = new RawClient(gateway.url)
    client.send(requestOf('', [framing], `POST ${CHAT} HTTP/1.1`))
    client.send(' '.repeat(sent))
    return client
  }
  const refused = async (client: RawClient): Promise<void> => {
    const [answer] = await eventually('it is answered', () => {
      return client.answers.length === 1 && client.answers
    })
    expect([answer?.status, answer?.headers['retry-after']]).toEqual([503, '1'])
    const { error } = JSON.parse(answer?.body ?? '') as { error: object }
    expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code'])
    expect(error).toMatchObject({ type: 'server_error', code: 'overloaded' })
  }
  return { worker, gateway, begin, refused, url: gateway.url }
}

describe('a large request', () => {
  test('is refused before a byte of its body, where the gateway is full', async () => {
    const gate = closedGate()
    const { url, gateway, begin, refused } = await scene({ MAX_PENDING: '1' }, gate.opened)
    const held = ask(url, CHAT, hello())
    await eventually('it is held', () => gateway.load().pending === 1)
    await refused(begin(12_000_000, 0))
    await refused(begin(0, 0, 'Transfer-Encoding: chunked'))
    expect(gateway.load().pending).toBe(1)
    gate.open()
    expect((await held).status).toBe(200)
    await eventually('none is held', () => gateway.load().pending === 0)
  })

  test('is refused before its body where the others leave it no room, and taken when they do', async () => {
    const { url, begin, refused } = await scene({ V1_MAX_HELD_BYTES: '100000' })
    const first = begin(90_000, 80_000)
    await eventually('the first has arrived', async () => {
      const { status } = await ask(url, CHAT, hello({ user: 'x'.repeat(30_000) }))
      return status === 503
    })
    await refused(begin(30_000, 0))
    // Its length is not known before: it is refused as soon as there is no room for what has come.
    const chunk = `${(30_000).toString(16)}\r\n${' '.repeat(30_000)}\r\n`
    const chunked = begin(0, 0, 'Transfer-Encoding: chunked')
    chunked.send(chunk)
    await refused(chunked)
    expect((await ask(url, CHAT, hello())).status).toBe(200)
    first.socket.destroy()
    await eventually('there is room again', async () => {
      const { status } = await ask(url, CHAT, hello({ user: 'x'.repeat(30_000) }))
      return status === 200
    })
  })

  test('that only announces its body keeps no other out', async () => {
    const { url, begin } = await scene({ V1_MAX_HELD_BYTES: '24000000' })
    const silent = Array.from({ length: 50 }, () => begin(12_000_000, 1))
    expect((await ask(url, CHAT, hello({ user: 'x'.repeat(1_000_000) }))).status).toBe(200)
    for (const client of silent) expect(client.answers).toEqual([])
  })

  test('leaves nothing of the budget taken, whatever becomes of it', async () => {
    const { url, begin } = await scene({ V1_MAX_HELD_BYTES: '100000' })
    const large = 'x'.repeat(60_000)
    const bodies: [string | object, number][] = [
      [`${large}{`, 400],
      [`"${large}"`, 400],
      [hello({ model: 'none', large }), 404],
      [hello({ stream: 'x', large }), 400],
      [hello({ model: 'text', tools: [1], large }), 400],
      [hello({ large }), 200],
    ]
    for (const round of [1, 2, 3]) {
      for (const [body, status] of bodies) {
        expect([round, (await ask(url, CHAT, body)).status]).toEqual([round, status])
      }
      const left = begin(90_000, 60_000)
      left.socket.destroy()
      await left.closed
      await eventually('it has left', async () => {
        return (await ask(url, CHAT, hello({ large }))).status === 200
      })
    }
  })
})

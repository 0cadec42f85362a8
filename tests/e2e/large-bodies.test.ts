import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { announcedScene } from '../support/announced.ts'
import { closedGate } from '../support/gate.ts'
import { eventually } from '../support/eventually.ts'
import { isLong } from '../support/long.ts'
import { startGatewayProgram } from '../support/program.ts'
import { testChannel } from '../support/scene.ts'
import type { IncomingMessage } from 'node:http'

const MB = 1024 * 1024
const CHAT = '/v1/chat/completions'

/** A body of exactly so many bytes. */
function bodyOf(bytes: number): Buffer {
  const [head = '', tail = ''] = JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: '|' }],
  }).split('|')
  return Buffer.from(head + 'x'.repeat(bytes - head.length - tail.length) + tail)
}

interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Sends a body, as one of many clients that share its bytes. Rejects where the connection is cut. */
async function send(url: string, body: Buffer, agent: Agent): Promise<Reply> {
  const headers = { 'content-type': 'application/json', 'content-length': body.length }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url + CHAT, { method: 'POST', headers, agent }, resolve)
      .on('error', reject)
      .end(body)
  })
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

/** The most memory that a process has had, in bytes. */
const peakOf = (pid: number): number => {
  const [, kb = ''] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) * 1024
}

/** A gateway process, and a worker of whole bodies that answers when the gate is open. */
async function scene(settings: Record<string, string>) {
  const at = await announcedScene({ TIMEOUT: '60', ...settings })
  const { QUEUE_NAME: queue, REDIS_PREFIX: prefix } = at.settings
  const gateway = await startGatewayProgram(at.settings)
  const models = [{ name: 'm', capabilities: ['verbatim', 'chat'] }]
  await at.say('w', { queue, models })
  await gateway.log.until('worker.announced')
  const gate = closedGate()
  let published = 0
  const channel = await testChannel()
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return
      published += 1
      const id = String(message.properties.messageId)
      const result = '{"content":"x","body":{"choices":[]}}'
      void gate.opened.then(() => at.redis.set(`${prefix}:${id}`, result))
    },
    { noAck: true },
  )
  return { gateway, gate, published: () => published }
}

/** Each is answered, or refused with what a client needs to know to come again. */
function expectAnswers(replies: readonly Reply[]): number {
  for (const { status, headers, body } of replies) {
    if (status === 200) continue
    expect([status, headers['retry-after'], headers['content-type']]).toEqual([
      503,
      '1',
      'application/json',
    ])
    const { error } = JSON.parse(body) as { error: { code: string } }
    // A broker on a busy machine may confirm too late.
    expect(['overloaded', 'broker_down', 'acceptance_unknown']).toContain(error.code)
  }
  return replies.filter(({ status }) => status === 200).length
}

const COUNT = 64
/** In `npm run test:long` as in production. Else a fourth of that, in a fourth of the time. */
const BODY_BYTES = isLong ? 12 * MB : 3 * MB
const HELD_BYTES = isLong ? 256 * MB : 64 * MB

/**
 * Of each byte that counts as held, the process may have four: in the text, in what was parsed
 * of it, in the body for the engine, and in the message. Beside that there are copies of bodies that
 * are not needed any more and were not collected yet.
 */
const boundOf = (before: number, heldBytes: number): number =>
  before + 4 * heldBytes + 40 * BODY_BYTES

describe(`${COUNT} bodies of ${BODY_BYTES / MB} MB`, () => {
  test('at once are answered or refused, and the process has a bounded share of them in memory', async () => {
    const { gateway, gate } = await scene({ V1_MAX_HELD_BYTES: String(HELD_BYTES) })
    gate.open()
    const before = peakOf(gateway.pid)
    const body = bodyOf(BODY_BYTES)
    const agent = new Agent()
    const sending = Array.from({ length: COUNT }, () => send(gateway.url, body, agent))
    const answered = expectAnswers(await Promise.all(sending))
    expect(answered).toBeGreaterThan(0)
    expect(peakOf(gateway.pid)).toBeLessThan(boundOf(before, HELD_BYTES))
    // What was refused is not held either.
    expect((await send(gateway.url, body, agent)).status).toBe(200)
  }, 120_000)

  test('of jobs that wait for their workers are not in memory', async () => {
    const heldBytes = 2 * BODY_BYTES
    const { gateway, gate, published } = await scene({ V1_MAX_HELD_BYTES: String(heldBytes) })
    const before = peakOf(gateway.pid)
    const body = bodyOf(BODY_BYTES)
    const agent = new Agent()
    const waiting: Promise<Reply>[] = []
    for (let at = 1; at <= COUNT; at += 1) {
      waiting.push(send(gateway.url, body, agent))
      await eventually('it is with the worker', () => published() === at)
    }
    expect(peakOf(gateway.pid)).toBeLessThan(boundOf(before, heldBytes))
    gate.open()
    expect(expectAnswers(await Promise.all(waiting))).toBe(COUNT)
  }, 120_000)
})

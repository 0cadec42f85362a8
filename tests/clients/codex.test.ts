import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Lines } from '../../dev/lines.ts'
import { readConfig } from '../../src/config.ts'
import { PING_MS } from '../../src/http/sse.ts'
import { startServer } from '../../src/server.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-client.ts'
import { isLong } from '../support/long.ts'
import { isReady } from '../support/scene.ts'
import { readAsCodex } from './support/codex-reader.ts'
import { IGNORED_TOOLS, codexRequest } from './support/codex-request.ts'
import { CALLED, CITY, REFUSED, TEXT, THOUGHT } from './support/scripted-upstream.ts'
import { stackOfFile, stacksOfFile } from './support/stack.ts'

/** Codex gives up when it gets no data for this long. */
const IDLE_MS = 300_000
const QUEUED_MS = 360_000
/** Comments at this pace come in time, and the fourth one, which has data, does not. */
const TOO_SLOW_MS = 100_000
/** `npm run test:long` takes the real times. Elsewhere a second stands for a minute. */
const SCALE = isLong ? 1 : 60

const stack = stackOfFile()
const stacks = stacksOfFile({ narrow: { WORKER_CONCURRENCY: '1' } })

const HEADERS = {
  'content-type': 'application/json',
  accept: 'text/event-stream',
  authorization: 'Bearer key',
  originator: 'codex_cli_rs',
  session_id: '0199-4b1f',
}

async function ask(prompt: string, { url = stack().url, idleMs = IDLE_MS, more = {} } = {}) {
  const body = JSON.stringify(codexRequest(prompt, more))
  const reply = await fetch(`${url}/v1/responses`, { method: 'POST', headers: HEADERS, body })
  expect([reply.status, reply.headers.get('content-type')]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
  ])
  return { headers: reply.headers, turn: readAsCodex(reply, idleMs) }
}

const askedWith = (prompt: string) => {
  const [asked] = stack().upstream.of(prompt)
  return asked?.body ?? {}
}

const message = (text: string) => ({ type: 'message', content: [{ type: 'output_text', text }] })

describe('Codex', () => {
  test('is answered, whatever tools it offers', async () => {
    const { turn, headers } = await ask('plain for Codex')
    const { id, text, items, usage } = await turn
    expect([id.startsWith('resp_'), text]).toEqual([true, TEXT])
    expect(items).toMatchObject([message(TEXT)])
    expect(usage).toMatchObject({ input_tokens: 7, output_tokens: 5, total_tokens: 12 })
    const ignored = headers.get('x-ignored-parameters')?.split(/, */)
    expect(ignored).toEqual(expect.arrayContaining([...IGNORED_TOOLS, 'include[0]']))
  })

  test('has its conversation told to the engine, with the one tool that can be called', async () => {
    const { turn } = await ask('plain conversation for Codex')
    await turn
    const { tools, ...rest } = askedWith('plain conversation for Codex')
    const messages = stack().upstream.messagesOf('plain conversation for Codex')
    const roles = messages.map(({ role }) => role)
    const earlier = ['user', 'assistant', 'tool', 'assistant']
    expect(roles).toEqual(['system', 'developer', 'user', ...earlier, 'user'])
    expect(tools).toMatchObject([{ type: 'function', function: { name: 'exec_command' } }])
    expect(rest).toMatchObject({ reasoning_effort: 'medium', parallel_tool_calls: true })
    expect(Object.keys(rest)).not.toContain('include')
  })

  test('reads thoughts and calls of its tool', async () => {
    const thinking = await (await ask('reason for Codex')).turn
    expect(thinking).toMatchObject({ thoughts: THOUGHT.join(''), text: TEXT })
    expect(thinking.items).toMatchObject([{ type: 'reasoning', summary: [] }, message(TEXT)])
    const { items } = await (await ask('tools for Codex')).turn
    const calls = items.map(({ type, call_id: id, name, arguments: args }) => {
      return { type, id, name, args: JSON.parse(String(args)) as object }
    })
    expect(calls).toEqual(CALLED.map((call) => ({ type: 'function_call', ...call })))
  })

  test('gets an answer of its schema', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } } }
    const format = { type: 'json_schema', strict: true, schema, name: 'codex_output_schema' }
    const text = { verbosity: 'low', format }
    const { turn } = await ask('schema for Codex', { more: { text } })
    expect(JSON.parse((await turn).text)).toEqual(CITY)
    expect(askedWith('schema for Codex')).toMatchObject({
      verbosity: 'low',
      response_format: { json_schema: { name: 'codex_output_schema', schema } },
    })
  })

  test('learns why a response failed', async () => {
    const { turn } = await ask('break for Codex')
    await expect(turn).rejects.toThrow('the engine ran out of memory')
  })

  test('learns at once what the engine refuses', async () => {
    const body = JSON.stringify(codexRequest('refuse Codex'))
    const { url } = stack()
    const reply = await fetch(`${url}/v1/responses`, { method: 'POST', headers: HEADERS, body })
    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({ error: { message: REFUSED.message } })
  })
})

/** A replica of the gateway in this process, whose silent streams get pings so often. */
async function startReplica(pingMs: number): Promise<string> {
  const config = readConfig(stacks('narrow').settings)
  const log = createLog('error', new Lines())
  const server = await startServer(config, log, undefined, undefined, pingMs)
  onTestFinished(() => server.close(0))
  await eventually('the replica is ready', () => isReady(server.url))
  return server.url
}

test.each([SCALE])(
  'Codex waits in the queue for longer than its idle timer, in 1/%i of the times',
  async (scale) => {
    const { url, upstream } = stacks('narrow')
    await post(url, '/jobs', { content: 'hold the worker' })
    await eventually('the worker is busy', () => upstream.of('hold the worker').length === 1)
    const idleMs = IDLE_MS / scale
    const urls = await Promise.all([PING_MS, TOO_SLOW_MS].map((ms) => startReplica(ms / scale)))
    const prompts = ['plain, kept waiting', 'plain, left waiting']
    const asked = await Promise.all(
      prompts.map((prompt, at) => ask(prompt, { url: urls[at] ?? '', idleMs })),
    )
    const turns = Promise.allSettled(asked.map(({ turn }) => turn))
    await delay(QUEUED_MS / scale)
    await upstream.release('hold the worker')
    const [read, left] = await turns
    expect(read).toMatchObject({ status: 'fulfilled', value: { text: TEXT } })
    expect(left).toMatchObject({ reason: { message: 'idle timeout waiting for SSE' } })
    // The worker did nothing for the client that had left.
    expect(prompts.map((prompt) => upstream.of(prompt).length)).toEqual([1, 0])
  },
  QUEUED_MS / SCALE + 60_000,
)

import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { toolCallOf } from '../../worker-stub/engines/echo/tool-call.ts'
import { BackgroundClient, framesOf } from '../support/background-client.ts'
import { eventually } from '../support/eventually.ts'
import { isLong } from '../support/long.ts'
import { startWorkerProgram } from '../support/program.ts'
import { startReplicas } from '../support/replicas.ts'
import { ResponseReader } from '../support/response-reader.ts'
import { freshSettings, testChannel, testRedis } from '../support/scene.ts'
import type { ResponseEvent } from '../../src/http/openai/responses/response-types.ts'

const REPLICAS = 3
const STREAMS = isLong ? 100 : 10
const KILLS = isLong ? 100 : 8
const TOKENS_PER_S = 25
/** How long each response is generated. */
const GENERATED_S = isLong ? 25 : 4

/** What the engine is asked, and what it has to say. */
interface Asked {
  readonly body: object
  readonly said: Readonly<Partial<Record<'reasoning' | 'message' | 'function_call', string>>>
}

const wordsOf = (name: string, count: number): string =>
  Array.from({ length: count }, (_, at) => `${name}-${at} Wörter✓🎉`).join(' ')

const KINDS: readonly ((name: string, isStream: boolean) => Asked)[] = [
  (name, stream) => {
    const words = wordsOf(name, (GENERATED_S * TOKENS_PER_S) / 2)
    return { body: { model: 'echo', input: words, stream }, said: { message: `echo: ${words}` } }
  },
  (name, stream) => {
    // A thought has three words of its own, and each of the user's words is two.
    const words = wordsOf(name, (GENERATED_S * TOKENS_PER_S) / 4)
    const body = { model: 'echo', input: words, stream, reasoning: { effort: 'low' } }
    return { body, said: { reasoning: `The user says: ${words}`, message: `echo: ${words}` } }
  },
  (name, stream) => {
    const words = wordsOf(name, 1)
    const items = { type: 'string' }
    // Its arguments come in pieces of eight characters.
    const list = { type: 'array', items, minItems: Math.round((GENERATED_S * TOKENS_PER_S) / 4) }
    const parameters = { type: 'object', properties: { list }, required: ['list'] }
    const tool = { name: 'f', parameters }
    const call = toolCallOf({ tools: [{ type: 'function', function: tool }] }, words)
    const tools = [{ type: 'function', ...tool, strict: false }]
    return {
      body: { model: 'echo', input: words, stream, tools },
      said: { function_call: String(call?.arguments) },
    }
  },
]

/** Every item of a response by its kind, and what it says. */
function saidIn(events: readonly ResponseEvent[]): Asked['said'] {
  const { response } = events.at(-1) as unknown as {
    response: {
      output: { type: string; arguments?: string; content?: { text: string }[] }[]
    }
  }
  return Object.fromEntries(
    response.output.map(({ type, arguments: given, content = [] }) => [
      type,
      given ?? content.map(({ text }) => text).join(''),
    ]),
  )
}

test(`${STREAMS} background responses survive ${KILLS} kills of gateways, also in the middle of their requests`, async () => {
  const settings = { ...freshSettings(), MAX_BACKGROUND: '1000' }
  const worker = await startWorkerProgram({
    ...settings,
    ECHO_TOKENS_PER_S: String(TOKENS_PER_S),
    WORKER_CONCURRENCY: String(STREAMS),
  })
  const { urls, kill, start } = await startReplicas(settings, REPLICAS)
  const started = performance.now()
  const asked: Asked[] = []
  const running: Promise<BackgroundClient>[] = []
  const clients: BackgroundClient[] = []
  const ask = (turn: number): void => {
    const at = clients.length
    const one = (KINDS[at % KINDS.length] as (typeof KINDS)[number])(`k${at}`, at % 2 === 0)
    const client = new BackgroundClient(urls, one.body, `key-${at}`, turn)
    asked.push(one)
    clients.push(client)
    const run = client.run()
    // It is looked at when all kills are over.
    run.catch(() => {})
    running.push(run)
  }
  const starting: Promise<void>[] = []
  for (let done = 0; done < KILLS; done += 1) {
    const victim = done % REPLICAS
    await starting[victim]
    // These requests are under way when their replica is killed.
    while (clients.length < Math.ceil(((done + 1) * STREAMS) / KILLS)) ask(victim)
    await delay(randomInt(0, 40))
    await kill(victim)
    starting[victim] = start(victim)
  }
  await Promise.all([...starting, ...running])
  const seconds = (performance.now() - started) / 1000

  const [first = '', second = ''] = urls
  for (const [at, client] of clients.entries()) {
    const events = client.events.map(({ event }) => event)
    // The numbers have no gap and no repetition, and all pieces are the whole.
    expect(new ResponseReader().read(events).hasEnded).toBe(true)
    expect([at, events.at(-1)?.type]).toEqual([at, 'response.completed'])
    expect(saidIn(events)).toEqual(asked[at]?.said)
    const [one, other] = await Promise.all([client.replay(first), client.replay(second)])
    expect(other).toBe(one)
    expect(framesOf(one)).toEqual([...client.events.map(({ frame }) => frame), 'data: [DONE]'])
  }

  const ids = clients.map(({ id }) => id)
  expect(new Set(ids).size).toBe(STREAMS)
  const ran = worker.log.named('job.done').map(({ job }) => String(job))
  expect(ran.toSorted()).toEqual(ids.map(String).toSorted())
  const channel = await testChannel()
  expect((await channel.checkQueue(settings.QUEUE_NAME)).messageCount).toBe(0)
  const redis = await testRedis()
  const kept = await redis.keys(`*${settings.REDIS_PREFIX}:*:kept`)
  expect(kept).toHaveLength(STREAMS)

  const sum = (of: (client: BackgroundClient) => number): number =>
    clients.reduce((total, client) => total + of(client), 0)
  const [breaks, again] = [sum((one) => one.breaks), sum(({ postsAgain }) => postsAgain)]
  // Each kill has hit a stream, or a request that had no answer yet.
  expect(breaks + again).toBeGreaterThanOrEqual(KILLS)
  expect(Math.min(breaks, again)).toBeGreaterThan(0)
  const events = sum((one) => one.events.length)
  process.stderr.write(
    `${STREAMS} streams, ${KILLS} kills in ${seconds.toFixed(1)} s: ${events} events, ${breaks} streams broke, ${again} requests sent again\n`,
  )
}, 600_000)

test('a worker that is killed mid-stream and replaced is read with the same numbers by two replicas', async () => {
  const settings = freshSettings()
  const ofWorker = { ...settings, ECHO_TOKENS_PER_S: '50' }
  const worker = await startWorkerProgram(ofWorker)
  const { urls } = await startReplicas(settings, 2)
  const { body, said } = (KINDS[1] as (typeof KINDS)[number])('w', true)
  const readers = urls.map((_, turn) => new BackgroundClient(urls, body, 'key-w', turn))
  const running = readers.map((reader) => reader.run())
  await eventually('both have read some text', () =>
    readers.every((reader) =>
      reader.events.some(({ event }) => event.type === 'response.output_text.delta'),
    ),
  )
  await worker.end('SIGKILL')
  await startWorkerProgram(ofWorker)
  await Promise.all(running)
  const [one, other] = readers.map((reader) => reader.events.map(({ frame }) => frame))
  expect(other).toEqual(one)
  const events = readers[0]?.events.map(({ event }) => event) ?? []
  expect(new ResponseReader().read(events).hasEnded).toBe(true)
  expect(saidIn(events)).toEqual(said)
  const restarts = events.filter(({ type }) => type === 'response.in_progress')
  expect(restarts).toHaveLength(2)
  const added = events.flatMap((event) =>
    event.type === 'response.output_item.added' ? [(event.item as { id: string }).id] : [],
  )
  expect(added).toHaveLength(4)
  expect(new Set(added).size).toBe(4)
  for (const [at, url] of urls.entries()) {
    expect([at, framesOf((await readers[at]?.replay(url)) ?? '')]).toEqual([
      at,
      [...(one ?? []), 'data: [DONE]'],
    ])
  }
}, 60_000)

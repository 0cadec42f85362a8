import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-client.ts'
import { counted } from '../support/metrics.ts'
import { clientsOfFile, note } from './support/clients.ts'
import { TEXT } from './support/scripted-upstream.ts'
import { stacksOfFile } from './support/stack.ts'
import type { Client } from './support/clients.ts'
import type { Recorder, Try } from './support/recorder.ts'
import type { Stack } from './support/stack.ts'

const clients = clientsOfFile().filter(({ missing }) => missing === undefined)
const stacks = stacksOfFile({
  usual: {},
  hurried: { TIMEOUT: '1' },
  narrow: { MAX_PENDING: '1' },
  full: { QUEUE_MAX_LENGTH: '1', WORKER_CONCURRENCY: '1' },
})

/** They know `x-should-retry` and do not ask again. The others do, and join the run. */
const ENDS_AT_504 = /openai|LangChain for Python/

/** They end after three tries, and LangChain after seven, which takes more than a minute. */
const GIVES_UP_SOON = /AI SDK|LlamaIndex/

/** What came of a run that takes longer than `TIMEOUT`, and how often it was begun. */
async function timedOut(stack: Stack, some: readonly Client[], script: string, asked = {}) {
  return ofAll(async (client) => {
    const { url, tries } = await stack.recorder()
    const prompt = `${script} for ${client.name}`
    const { result, error } = await client.do('plain', { url, prompt, ...asked })
    const [first, ...later] = statuses(tries)
    note(`${client.name}, a run longer than the wait: ${statuses(tries).join(' ')}`)
    return {
      end: error === undefined ? result?.text : `${error.status} ${error.code}`,
      first,
      isAgain: later.length > 0,
      runs: stack.upstream.of(prompt).length,
    }
  }, some)
}

/** In a header of OpenAI's own clients. LangChain does not pass its timeout on, and AI SDK has none. */
const STATES_ITS_TIMEOUT = /openai|LangChain for Python|LlamaIndex/

const ofOneRun = (name: string) => {
  const isEnd = ENDS_AT_504.test(name)
  return { end: isEnd ? '504 timed_out' : TEXT, first: 504, isAgain: !isEnd, runs: 1 }
}

/** Each client by name with what came of its task, all at once. */
async function ofAll<T>(
  ask: (client: Client) => Promise<T>,
  some: readonly Client[] = clients,
): Promise<Record<string, T>> {
  const entries = some.map(async (client) => [client.name, await ask(client)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

const forAll = <T>(expected: (name: string) => T): Record<string, T> =>
  Object.fromEntries(clients.map(({ name }) => [name, expected(name)]))

const statuses = (tries: readonly Try[]) => tries.map(({ status }) => status)

/** A chat that the worker has taken and does not end until it is released. */
async function occupy({ url, upstream }: Stack, prompt: string) {
  const messages = [{ role: 'user', content: prompt }]
  const asking = post(url, '/v1/chat/completions', { model: 'chat', messages })
  await eventually(`the worker has ${prompt}`, () => upstream.of(prompt).length === 1)
  return async () => {
    await upstream.release(prompt)
    await asking
  }
}

/** Asks while the gateway refuses; `relieve` ends that after the first refusal. */
async function secondTry(client: Client, recorder: Recorder, relieve: () => Promise<unknown>) {
  const { tries, url } = recorder
  const asking = client.do('plain', { url, prompt: `plain for ${client.name}` })
  await eventually(`${client.name} is refused`, () => tries[0]?.status !== undefined)
  await relieve()
  const { result, error } = await asking
  const [first, second] = tries
  const pauseMs = (second?.startedAt ?? 0) - (first?.startedAt ?? 0)
  return {
    text: result?.text ?? error,
    statuses: statuses(tries),
    retryAfter: first?.retryAfter,
    hasWaited: pauseMs >= 950,
  }
}
const ON_SECOND_TRY = { text: TEXT, statuses: [503, 200], retryAfter: '1', hasWaited: true }

describe.concurrent('every client', () => {
  test('reads on where a model thinks for longer than a ping after its first token', async () => {
    const read = await ofAll(async (client) => {
      const { url, tries } = await stacks('usual').recorder()
      const { result, error } = await client.do('stream', {
        url,
        prompt: `think for ${client.name}`,
      })
      const pings = tries[0]?.text.match(/^: ping$/gm)?.length ?? 0
      return { text: result?.text ?? error, hasPing: pings > 0, tries: tries.length }
    })
    expect(read).toEqual(forAll(() => ({ text: TEXT, hasPing: true, tries: 1 })))
  })

  test('that times out has one run, whether it asks again or not', async () => {
    const late = await timedOut(stacks('hurried'), clients, 'late')
    const never = await timedOut(
      stacks('hurried'),
      clients.filter(({ name }) => GIVES_UP_SOON.test(name)),
      'hold',
    )
    expect(late).toEqual(forAll(ofOneRun))
    const tries = Object.values(never)
    const unanswered = { end: '504 timed_out', first: 504, isAgain: true, runs: 1 }
    expect(tries).toEqual(tries.map(() => unanswered))
    const published = await counted(stacks('hurried').url, 'gateway_publish_total')
    expect(published).toBe(clients.length + tries.length)
  })

  test('that an overloaded gateway refuses is answered on its second try', async () => {
    const asked: Record<string, unknown> = {}
    for (const client of clients) {
      const recorder = await stacks('narrow').recorder()
      const relieve = await occupy(stacks('narrow'), `hold before ${client.name}`)
      asked[client.name] = await secondTry(client, recorder, relieve)
    }
    expect(asked).toEqual(forAll(() => ON_SECOND_TRY))
  })

  test('that finds the queue full is answered on its second try', async () => {
    const asked: Record<string, unknown> = {}
    for (const client of clients) {
      const recorder = await stacks('full').recorder()
      const relieve = await occupy(stacks('full'), `hold before ${client.name}`)
      const filler = await post(stacks('full').url, '/jobs', {
        content: `plain before ${client.name}`,
      })
      expect(filler.status).toBe(202)
      asked[client.name] = await secondTry(client, recorder, relieve)
    }
    expect(asked).toEqual(forAll(() => ON_SECOND_TRY))
  })
})

// Not beside the others: a client that waits 2 s counts the time that its machine keeps it waiting, too.
describe('every client', () => {
  test('that waits for less than a run takes is answered before it gives up', async () => {
    const some = clients.filter(({ name }) => STATES_ITS_TIMEOUT.test(name))
    const told = await timedOut(stacks('usual'), some, 'late', { timeoutS: 2 })
    expect(told).toEqual(Object.fromEntries(some.map(({ name }) => [name, ofOneRun(name)])))
  })
})

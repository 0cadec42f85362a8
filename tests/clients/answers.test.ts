import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { clientsOfFile, note, titleOf } from './support/clients.ts'
import {
  CALLED,
  CITY,
  PIECES,
  REFUSED,
  TEXT,
  THOUGHT,
  VECTORS,
} from './support/scripted-upstream.ts'
import { stackOfFile } from './support/stack.ts'
import type { Client } from './support/clients.ts'
import type { Recorder } from './support/recorder.ts'

const stack = stackOfFile()
const clients = clientsOfFile()

/** Before this it is a client's own business; above it, a worker would compute for nothing. */
const STOPS_WITHIN_MS = 100
const isAiSdk = (name: string): boolean => name.startsWith('AI SDK')
/** The others have no function for it. */
const LISTS_MODELS = /openai/
/** They pass no reasoning on to their users, whichever name it has. */
const READS_NO_REASONING = /LangChain/

describe.each(clients.map((client) => ({ client, title: titleOf(client) })))(
  '$title',
  ({ client }) => {
    const { name } = client
    let recorder: Recorder
    beforeAll(async () => {
      recorder = await stack().recorder()
    })
    const ask = (task: string, script: string) =>
      client.do(task, { url: recorder.url, prompt: `${script} for ${name}` })
    const tried = (script: string) =>
      recorder.tries.filter(({ body }) => body.includes(`${script} for ${name}`))
    const runs = (script: string) => stack().upstream.of(`${script} for ${name}`)

    describe.skipIf(client.missing !== undefined)('gets', () => {
      test('an answer and its usage', async () => {
        const { result } = await ask('plain', 'plain')
        expect(result).toEqual({ text: TEXT, finish: 'stop', usage: [7, 5] })
      })

      test('an answer in pieces', async () => {
        const { result } = await ask('stream', 'stream')
        expect(result).toEqual({ text: TEXT, isInPieces: true, finish: 'stop' })
      })

      test('the usage of a stream', async () => {
        const { result } = await ask('usage', 'usage')
        expect(result).toEqual({ text: TEXT, usage: [7, 5] })
      })

      test.each(['tools', 'toolsStream'])('calls of tools (%s)', async (task) => {
        const { result } = await ask(task, 'tools')
        const finish = isAiSdk(name) ? 'tool-calls' : 'tool_calls'
        expect(result).toEqual({ finish, calls: CALLED })
        const [{ body } = { body: {} }] = runs('tools')
        expect(body).toHaveProperty('tools.0.function.parameters.properties.days.type', 'integer')
      })

      test('an answer of its JSON schema', async () => {
        const { result } = await ask('schema', 'schema')
        expect(result).toEqual({ value: CITY })
        const [{ body } = { body: {} }] = runs('schema')
        expect(body).toHaveProperty('response_format.type', 'json_schema')
        expect(body).toHaveProperty('response_format.json_schema.schema.properties.city')
      })

      test.each(['reasoning', 'reasoningStream'])('the thoughts of a model (%s)', async (task) => {
        const { result } = await ask(task, 'reason')
        const read = READS_NO_REASONING.test(name) ? {} : { reasoning: THOUGHT.join('') }
        expect(result).toMatchObject({ text: TEXT, ...read })
        expect(tried('reason').at(-1)?.text).toContain('"reasoning_content":"Let me')
      })

      test.each(['embeddings', 'embeddingsFloat'])('embeddings (%s)', async (task) => {
        const texts = ['one', 'two']
        const { result } = await client.do(task, { url: recorder.url, texts })
        expect(result).toEqual({ vectors: VECTORS })
      })
    })

    describe.skipIf(client.missing !== undefined)('gets an answer', () => {
      test.each(LISTS_MODELS.test(name) ? ['models'] : [])('which %s there are', async (task) => {
        const { result } = await client.do(task, { url: recorder.url })
        expect(result).toEqual({ ids: ['chat', 'embed'] })
      })

      test('that a model does not exist', async () => {
        const { error } = await ask('unknown', 'unknown')
        expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
        expect(tried('unknown')).toHaveLength(1)
      })

      test('what the engine refuses, with its param', async () => {
        for (const task of ['plain', 'stream']) {
          const { error } = await ask(task, 'refuse')
          expect(error).toMatchObject({ status: 400, param: REFUSED.param, code: '400' })
          expect(error?.message).toContain(REFUSED.message)
        }
        expect(tried('refuse')).toHaveLength(2)
      })

      test('nothing of a server that was busy: the worker asks it again', async () => {
        const { result } = await ask('plain', 'busy')
        expect(result).toMatchObject({ text: TEXT })
        expect(tried('busy')).toHaveLength(1)
        expect(runs('busy')).toHaveLength(2)
      })

      test('of an error in the middle of a stream, with the text so far', async () => {
        const { error, text } = await ask('stream', 'break')
        expect(text).toBe(PIECES.join(''))
        expect(error?.message).toContain('the engine ran out of memory')
        expect([tried('break').length, runs('break').length]).toEqual([1, 1])
      })
    })
  },
)

// After all others, when no program is starting beside it.
describe.each(clients.map((client) => ({ client, title: titleOf(client) })))(
  '$title',
  ({ client }) => {
    test.skipIf(client.missing !== undefined)(
      'leaves a stream, and the worker stops at once',
      async () => {
        const times: number[] = []
        for (const turn of [1, 2, 3]) times.push(await msToStop(client, turn))
        const [first = 0, middle = 0, last = 0] = times.toSorted((a, b) => a - b)
        const each = [first, middle, last].map((ms) => ms.toFixed(0)).join(', ')
        note(`${client.name} left a stream: the worker stopped after ${each} ms`)
        expect(middle).toBeLessThan(STOPS_WITHIN_MS)
      },
    )
  },
)

/** From the end of the client's connection to that of the worker's to its server. */
async function msToStop(client: Client, turn: number): Promise<number> {
  const prompt = `endless for ${client.name}, ${turn}`
  const { url, tries } = await stack().recorder()
  const { result } = await client.do('leave', { url, prompt })
  expect(result?.text).toMatch(/^more /)
  const [left] = await eventually('the worker has left', () => {
    const [one] = stack().upstream.of(prompt)
    return one?.leftAt === undefined ? null : [one.leftAt]
  })
  const [{ leftAt = 0 } = {}] = tries
  return left - leftAt
}

import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { RESPONSES_CLIENTS, clientsOfFile, titleOf } from './support/clients.ts'
import { CALLED, CITY, PIECES, REFUSED, TEXT, THOUGHT } from './support/scripted-upstream.ts'
import { stackOfFile } from './support/stack.ts'
import type { Recorder } from './support/recorder.ts'

const stack = stackOfFile()
const clients = clientsOfFile(RESPONSES_CLIENTS)

/** What every client shows of a response, where nothing else is said. */
const SHOWN = {
  status: 'completed',
  text: TEXT,
  reasoning: '',
  calls: [],
  usage: [7, 5],
  error: null,
  reason: null,
}
const OF_TEXT = [
  'response.created',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.output_text.delta',
  'response.output_text.done',
  'response.content_part.done',
  'response.output_item.done',
]
const BROKEN = 'the engine ran out of memory'
const isPython = (name: string): boolean => name.includes('Python')

/** The helper of the client for Python raises where a response did not complete. */
const KNOWS_ONE_END = {
  name: 'RuntimeError',
  message: expect.stringContaining('response.completed'),
}

/** Numbers without a gap, from the first one on. */
const from = (first: number, { length }: { length: number }): number[] =>
  Array.from({ length }, (_, at) => first + at)

const numbersIn = (read: Readonly<Record<string, unknown>> | undefined): number[] =>
  (read?.numbers ?? []) as number[]

describe.each(clients.map((client) => ({ client, title: titleOf(client) })))(
  '$title',
  ({ client }) => {
    const { name } = client
    let recorder: Recorder
    beforeAll(async () => {
      recorder = await stack().recorder()
    })
    const ask = (task: string, script: string, more: object = {}) =>
      client.do(task, { url: recorder.url, prompt: `${script} for ${name}`, ...more })
    const runs = (script: string) => stack().upstream.of(`${script} for ${name}`)

    describe.skipIf(client.missing !== undefined)('gets', () => {
      test('a response', async () => {
        expect((await ask('plain', 'plain')).result).toEqual(SHOWN)
      })

      test('the events of a response', async () => {
        const { result } = await ask('stream', 'stream')
        const numbers = numbersIn(result)
        const types = [...OF_TEXT, 'response.completed']
        expect(result).toEqual({ text: TEXT, numbers: from(0, numbers), types, end: SHOWN })
        expect(numbers.length).toBeGreaterThan(PIECES.length + OF_TEXT.length - 1)
      })

      test('a response by its helper', async () => {
        const { result } = await ask('helper', 'stream by helper')
        expect(result).toEqual({ numbers: from(0, numbersIn(result)), final: SHOWN })
      })

      test.each(['plain', 'helper'])('the thoughts of a model (%s)', async (task) => {
        const { result } = await ask(task, `reason by ${task}`)
        const shown = task === 'plain' ? result : result?.final
        expect(shown).toEqual({ ...SHOWN, reasoning: THOUGHT.join('') })
      })

      test.each(['tools', 'helperTools'])('calls of tools (%s)', async (task) => {
        const { result } = await ask(task, `tools by ${task}`)
        const shown = task === 'tools' ? result : result?.final
        expect(shown).toEqual({ ...SHOWN, text: '', calls: CALLED })
        const [{ body } = { body: {} }] = runs(`tools by ${task}`)
        expect(body).toHaveProperty('tools.0.function.parameters.properties.days.type', 'integer')
        expect(body).toHaveProperty('tools.0.function.strict', true)
      })

      test('an answer to what its tools gave back', async () => {
        const output = `plain output for ${name}`
        const { result } = await ask('turn', 'tools in turn', { output })
        expect(result).toEqual(SHOWN)
        const roles = stack()
          .upstream.messagesOf(output)
          .map(({ role }) => role)
        expect(roles).toEqual(['user', 'assistant', 'tool', 'tool'])
      })

      test('an answer of its JSON schema', async () => {
        expect((await ask('schema', 'schema')).result).toEqual({ value: CITY })
        const [{ body } = { body: {} }] = runs('schema')
        expect(body).toHaveProperty('response_format.json_schema.schema.properties.city')
      })

      test('the first words, and leaves: the worker stops', async () => {
        expect((await ask('leave', 'endless')).result).toEqual({ text: 'more ' })
        await eventually('the worker has left', () => runs('endless')[0]?.leftAt)
      })

      test('the items that it asked with', async () => {
        const { result } = await ask('inputItems', 'plain with items')
        const text = `plain with items for ${name}`
        expect(result).toEqual({ items: [{ type: 'message', role: 'user', text }] })
      })
    })

    describe.skipIf(client.missing !== undefined)('in the background', () => {
      test('asks until a response has ended', async () => {
        const { result } = await ask('background', 'stream in background')
        expect(result).toEqual({ first: 'queued', end: SHOWN })
      })

      test('leaves a stream, and reads on behind the last event that it has', async () => {
        const asked = ask('resume', 'pause')
        await eventually('it is back', () => {
          return recorder.tries.some(({ path, status }) => /starting_after/.test(path) && status)
        })
        await stack().upstream.release(`pause for ${name}`)
        const { result } = await asked
        const next = Number(result?.after) + 1
        expect(result).toMatchObject({ text: TEXT, numbers: from(next, numbersIn(result)) })
        expect(result?.end).toEqual(SHOWN)
        expect(runs('pause')).toHaveLength(1)
      })

      test('reads all of it again by its helper, and shows what comes behind an event', async () => {
        const { result } = await ask('replay', 'stream again', { after: 4 })
        expect(result).toEqual({ numbers: from(5, numbersIn(result)), final: SHOWN })
        expect(numbersIn(result).length).toBeGreaterThan(PIECES.length)
      })

      test('cancels a response, and the worker stops', async () => {
        const { result } = await ask('cancel', 'hold')
        expect(result).toEqual({ statuses: ['cancelled', 'cancelled', 'cancelled'] })
        await eventually('the worker has left', () =>
          runs('hold').every(({ leftAt }) => leftAt !== undefined),
        )
      })

      test('deletes a response, which is not there any more', async () => {
        const { error } = await ask('delete', 'plain to delete')
        expect(error).toMatchObject({ status: 404, code: 'response_not_found' })
      })
    })

    describe.skipIf(client.missing !== undefined)('learns', () => {
      test('what the engine refuses, with its param', async () => {
        for (const task of ['plain', 'stream']) {
          const { error } = await ask(task, `refuse ${task}`)
          expect(error).toMatchObject({ status: 400, code: '400' })
          expect(error?.message).toContain(REFUSED.message)
          expect(runs(`refuse ${task}`)).toHaveLength(1)
        }
      })

      test('of a failure in the middle, with the text so far', async () => {
        const { result } = await ask('stream', 'break')
        expect(result).toMatchObject({
          text: TEXT,
          types: [...OF_TEXT.slice(0, 5), 'response.failed'],
          end: { status: 'failed', text: TEXT },
        })
        expect(result).toHaveProperty('end.error', expect.stringContaining(BROKEN))
        expect(runs('break')).toHaveLength(1)
      })

      test('of a failure in the background', async () => {
        const { result } = await ask('background', 'break in background')
        expect(result?.end).toMatchObject({ status: 'failed', text: TEXT })
        const refused = await ask('background', 'refuse in background')
        expect(refused.result?.end).toMatchObject({ status: 'failed', error: REFUSED.message })
      })

      test('of a failure by its helper', async () => {
        const { result, error } = await ask('helper', 'break by helper')
        const failed = { status: 'failed', text: TEXT }
        expect(result?.final ?? error).toMatchObject(isPython(name) ? KNOWS_ONE_END : failed)
      })

      test('of an answer that was cut', async () => {
        const cut = { ...SHOWN, status: 'incomplete', reason: 'max_output_tokens' }
        const more = { max_output_tokens: 16 }
        expect((await ask('plain', 'cut', more)).result).toEqual(cut)
        const { result } = await ask('stream', 'cut in pieces', more)
        expect(result).toMatchObject({ text: TEXT, end: cut })
        expect(result?.types).toEqual([...OF_TEXT, 'response.incomplete'])
        expect(runs('cut').map(({ body }) => body.max_tokens)).toEqual([16])
      })

      test('that a model does not exist', async () => {
        const { error } = await ask('plain', 'plain of no model', { model: 'unknown' })
        expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
      })
    })
  },
)

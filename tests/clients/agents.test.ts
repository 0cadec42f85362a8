import { describe, expect, test } from 'vitest'
import { AGENTS, clientsOfFile, titleOf } from './support/clients.ts'
import { CALLED, REFUSED, TEXT } from './support/scripted-upstream.ts'
import { stackOfFile } from './support/stack.ts'

const stack = stackOfFile()
const clients = clientsOfFile(AGENTS)

const CALLS = CALLED.map(({ args }) => args)

describe.each(clients.map((client) => ({ client, title: titleOf(client) })))(
  '$title',
  ({ client }) => {
    const { name } = client
    const ask = async (task: string, script: string, more: object = {}) => {
      const { url, tries } = await stack().recorder()
      const asked = {
        url,
        prompt: `${script} for ${name}`,
        output: `plain after ${script} for ${name}`,
      }
      const done = await client.do(task, { ...asked, ...more })
      return { ...done, tries }
    }
    /** What the engine was asked behind a call of the tool. */
    const askedAfter = (script: string) =>
      stack().upstream.messagesOf(`plain after ${script} for ${name}`)

    describe.skipIf(client.missing !== undefined)('runs', () => {
      test('an agent that answers', async () => {
        const { result } = await ask('plain', 'plain')
        expect(result).toEqual({ text: TEXT, calls: [] })
      })

      test('an agent that calls its tool, and answers with what came back', async () => {
        const { result, tries } = await ask('plain', 'tools')
        expect(result).toEqual({ text: TEXT, calls: CALLS })
        expect(tries.map(({ path }) => path)).toEqual(['/v1/responses', '/v1/responses'])
        const messages = askedAfter('tools')
        const roles = ['system', 'user', 'assistant', 'tool', 'tool']
        expect(messages.map(({ role }) => role)).toEqual(roles)
        const answered = messages.flatMap(({ tool_call_id: id }) => id ?? [])
        expect(answered).toEqual(CALLED.map(({ id }) => id))
      })

      test('an agent that is streamed', async () => {
        const { result } = await ask('stream', 'tools in pieces')
        expect(result).toEqual({ text: TEXT, calls: CALLS, pieces: TEXT, isInPieces: true })
      })

      test('an agent that continues a response by its id', async () => {
        const next = `plain and next for ${name}`
        const { result } = await ask('continued', 'plain before', { next })
        expect(result).toEqual({ text: TEXT, calls: [] })
        const roles = stack()
          .upstream.messagesOf(next)
          .map(({ role }) => role)
        expect(roles).toEqual(['system', 'user', 'assistant', 'user'])
      })

      test.each(['plain', 'stream'])('nothing where the engine refuses (%s)', async (task) => {
        const { error } = await ask(task, `refuse ${task}`)
        expect(error).toMatchObject({ status: 400 })
        expect(error?.message).toContain(REFUSED.message)
      })
    })
  },
)

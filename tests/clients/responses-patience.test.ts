import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { post } from '../support/http-client.ts'
import { RESPONSES_CLIENTS, clientsOfFile, note } from './support/clients.ts'
import { TEXT } from './support/scripted-upstream.ts'
import { stacksOfFile } from './support/stack.ts'
import type { Client } from './support/clients.ts'
import type { Stack } from './support/stack.ts'

const clients = clientsOfFile(RESPONSES_CLIENTS).filter(({ missing }) => missing === undefined)
const stacks = stacksOfFile({
  usual: {},
  hurried: { TIMEOUT: '1' },
  narrow: { MAX_PENDING: '1' },
})

/** A run that takes longer than the gateway or the client waits, by the statuses that the client got. */
async function late(stack: Stack, client: Client, asked: object = {}) {
  const { name } = client
  const { url, tries } = await stack.recorder()
  const prompt = `late for ${name}`
  const { error } = await client.do('plain', { url, prompt, ...asked })
  const statuses = tries.map(({ status }) => status)
  note(`${name}, a response longer than the wait: ${statuses.join(' ')}`)
  return {
    end: `${error?.status} ${error?.code}`,
    statuses,
    runs: stack.upstream.of(prompt).length,
  }
}
const ONE_RUN = { end: '504 timed_out', statuses: [504], runs: 1 }

describe.concurrent.each(clients)('$name', (client) => {
  const { name } = client

  test('reads on where a model thinks for longer than a ping', async () => {
    const { url, tries } = await stacks('usual').recorder()
    const { result } = await client.do('helper', { url, prompt: `think for ${name}` })
    expect(result).toMatchObject({ final: { status: 'completed', text: TEXT } })
    expect(tries).toHaveLength(1)
    expect(tries[0]?.text).toMatch(/^: ping$/m)
  })

  test('that times out has one run, and does not ask again', async () => {
    expect(await late(stacks('hurried'), client)).toEqual(ONE_RUN)
  })
})

// One after the other: the gateway has one place, and a short timeout counts the time of a busy machine, too.
describe.each(clients)('$name', (client) => {
  const { name } = client

  test('that waits for less than a run takes gets its answer before it gives up', async () => {
    expect(await late(stacks('usual'), client, { timeoutS: 2 })).toEqual(ONE_RUN)
  })

  test('that an overloaded gateway refuses is answered on its second try', async () => {
    const { url: gateway, upstream } = stacks('narrow')
    const held = `hold before ${name}`
    const messages = [{ role: 'user', content: held }]
    const asking = post(gateway, '/v1/chat/completions', { model: 'chat', messages })
    await eventually('the worker has it', () => upstream.of(held).length === 1)
    const { url, tries } = await stacks('narrow').recorder()
    const asked = client.do('plain', { url, prompt: `plain for ${name}` })
    await eventually('it is refused', () => tries[0]?.status !== undefined)
    await upstream.release(held)
    await asking
    expect((await asked).result).toMatchObject({ text: TEXT })
    expect(tries.map(({ status, retryAfter }) => [status, retryAfter])).toEqual([
      [503, '1'],
      [200, undefined],
    ])
  })
})

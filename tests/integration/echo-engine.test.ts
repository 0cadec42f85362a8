import { expect, test } from 'vitest'
import { ask, startOpenAiGateway } from '../support/engine-worker.ts'
import { CHAT, hello } from '../support/openai.ts'
import { eventually } from '../support/eventually.ts'
import { startWorkerProgram } from '../support/program.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { echoAt, startWorker } from '../support/worker-stub.ts'

/** The gateway, and the stub with the echo engine: no model is needed. */
async function scene(tokensPerS = 0) {
  const settings = freshSettings()
  const [{ url }] = await Promise.all([
    startOpenAiGateway(settings),
    startWorker(settings, echoAt(tokensPerS)),
  ])
  return url
}

interface Delta {
  readonly content?: string
  readonly tool_calls?: readonly { readonly function: { readonly arguments: string } }[]
}
interface Chunk {
  readonly choices: readonly { readonly delta: Delta; readonly finish_reason: string | null }[]
  readonly usage?: object
}

async function chunksOf(url: string, body: object): Promise<Chunk[]> {
  const { text } = await ask(url, CHAT, hello({ stream: true, ...body }))
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => json as string)
  expect(data.pop()).toBe('[DONE]')
  return data.map((json) => JSON.parse(json) as Chunk)
}

const tools = [
  {
    type: 'function',
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
]

test('an OpenAI client gets whole answers of the echo engine through the gateway', async () => {
  const url = await scene()
  const chat = await ask(url, CHAT, hello({ tools }))
  expect([chat.status, JSON.parse(chat.text)]).toMatchObject([
    200,
    {
      object: 'chat.completion',
      model: 'whole',
      choices: [
        {
          message: {
            content: null,
            tool_calls: [{ function: { name: 'weather', arguments: '{"city":"Hello"}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    },
  ])
  const completion = await ask(url, '/v1/completions', { model: 'whole', prompt: 'Once upon' })
  expect(JSON.parse(completion.text)).toMatchObject({ choices: [{ text: 'echo: Once upon' }] })
  const embeddings = await ask(url, '/v1/embeddings', { model: 'whole', input: ['a', 'b', 'a'] })
  const { data } = JSON.parse(embeddings.text) as { data: { embedding: number[] }[] }
  expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8, 8])
  expect(data[2]?.embedding).toEqual(data[0]?.embedding)
  const messages = [{ role: 'user', content: 'error 400 tools bad_tools' }]
  const failed = await ask(url, CHAT, hello({ messages }))
  expect([failed.status, JSON.parse(failed.text)]).toMatchObject([
    400,
    { error: { param: 'tools', code: 'bad_tools' } },
  ])
})

test('an OpenAI client gets streams of the echo engine through the gateway', async () => {
  const url = await scene(200)
  const messages = [{ role: 'user', content: 'one two three' }]
  const chunks = await chunksOf(url, { messages, stream_options: { include_usage: true } })
  const said = chunks.map(({ choices }) => choices[0]?.delta.content ?? '')
  expect(said.filter((text) => text !== '')).toEqual(['echo: ', 'one ', 'two ', 'three'])
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 4 } })
  const called = await chunksOf(url, { tools })
  const given = called.map(({ choices }) => choices[0]?.delta.tool_calls?.[0]?.function.arguments)
  expect(given.join('')).toBe('{"city":"Hello"}')
  expect(called.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')
})

test('the stub announces that the echo engine takes whole bodies, embeddings too', async () => {
  const settings = freshSettings()
  const [{ url }] = await Promise.all([startGateway(settings), startWorkerProgram(settings)])
  const embeddings = await eventually('the model is known', async () => {
    const answer = await ask(url, '/v1/embeddings', { model: 'echo', input: 'a' })
    return answer.status === 503 ? null : answer
  })
  expect([embeddings.status, JSON.parse(embeddings.text)]).toMatchObject([
    200,
    { data: [{ embedding: expect.any(Array) as number[] }] },
  ])
  const chat = await ask(url, CHAT, hello({ model: 'echo', tools }))
  expect(JSON.parse(chat.text)).toMatchObject({ choices: [{ finish_reason: 'tool_calls' }] })
})

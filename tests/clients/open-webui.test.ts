import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { CALLED, REFUSED, TEXT, VECTORS } from './support/scripted-upstream.ts'
import { stackOfFile } from './support/stack.ts'

/**
 * The requests of Open WebUI, a chat in the browser, as its source builds them (open-webui/open-webui):
 * `routers/openai.py` at 671f5772 for models and chats, `utils/payload.py` for their fields, `routers/tasks.py`
 * at 074d4883 for titles, `retrieval/utils.py` at 0013f5c1 for embeddings.
 */
const stack = stackOfFile()

const HEADERS = {
  'content-type': 'application/json',
  authorization: 'Bearer key',
  'x-openwebui-user-name': 'A%20person',
  'x-openwebui-user-id': '4b1f',
  'x-openwebui-user-email': 'person@example.org',
  'x-openwebui-user-role': 'user',
  'x-openwebui-chat-id': 'c1',
}
const send = (path: string, body: object, signal?: AbortSignal) =>
  fetch(`${stack().url}/v1${path}`, {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify(body),
    ...(signal && { signal }),
  })
const asking = (prompt: string) => ({
  model: 'chat',
  messages: [{ role: 'user', content: prompt }],
})

interface Delta {
  readonly content?: string
  readonly tool_calls?: readonly {
    index: number
    id?: string
    function: { name?: string; arguments?: string }
  }[]
}
interface Chunk {
  readonly choices: readonly { delta: Delta; finish_reason: string | null }[]
  readonly usage?: object
}

/** It takes the lines that begin with `data:` and passes over all others. */
function chunksOf(text: string): Chunk[] {
  const data = text.split('\n').filter((line) => line.startsWith('data:'))
  const lines = data.map((line) => line.slice('data:'.length).trim())
  expect(lines.pop()).toBe('[DONE]')
  return lines.map((line) => JSON.parse(line) as Chunk)
}

describe('Open WebUI', () => {
  test('lists the models that it offers', async () => {
    const reply = await fetch(`${stack().url}/v1/models`, { headers: HEADERS })
    const { data } = (await reply.json()) as { data: { id: string; owned_by: string }[] }
    expect(data.map(({ id }) => id)).toEqual(['chat', 'embed'])
  })

  test('chats with an image, with every parameter that a person can set, and sees the usage', async () => {
    const image = { url: 'data:image/png;base64,iVBORw0KGgo=' }
    const content = [
      { type: 'text', text: 'stream for Open WebUI' },
      { type: 'image_url', image_url: image },
    ]
    const body = {
      stream: true,
      model: 'chat',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content },
      ],
      stream_options: { include_usage: true },
      temperature: 0.8,
      top_p: 0.9,
      min_p: 0.05,
      top_k: 40,
      max_tokens: 100,
      frequency_penalty: 0.1,
      presence_penalty: 0.1,
      repeat_penalty: 1.1,
      reasoning_effort: 'low',
      seed: 7,
      stop: ['\n\n'],
      logit_bias: { '50256': -100 },
    }
    const reply = await send('/chat/completions', body)
    expect(reply.headers.get('content-type')).toContain('text/event-stream')
    const chunks = chunksOf(await reply.text())
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
    expect([text, chunks.at(-1)?.usage]).toMatchObject([TEXT, { total_tokens: 12 }])
    const [asked] = stack().upstream.of('stream for Open WebUI')
    expect(asked?.body).toEqual(body)
  })

  test('puts the calls of its tools together', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } } }
    const tools = [{ type: 'function', function: { name: 'weather', description: '', parameters } }]
    const body = { ...asking('tools for Open WebUI'), stream: true, tools }
    const calls: { name: string; text: string }[] = []
    for (const { choices } of chunksOf(await (await send('/chat/completions', body)).text())) {
      for (const { index, function: part } of choices[0]?.delta.tool_calls ?? []) {
        calls[index] ??= { name: part.name ?? '', text: '' }
        calls[index].text += part.arguments ?? ''
      }
    }
    expect(calls.map(({ name, text }) => ({ name, args: JSON.parse(text) as object }))).toEqual(
      CALLED.map(({ name, args }) => ({ name, args })),
    )
  })

  test('has a title made, without a stream', async () => {
    const body = { ...asking('title for Open WebUI'), stream: false, max_tokens: 1_000 }
    const reply = await send('/chat/completions', body)
    expect(await reply.json()).toMatchObject({ choices: [{ message: { content: TEXT } }] })
    const [asked] = stack().upstream.of('title for Open WebUI')
    expect(asked?.body).toEqual(body)
  })

  test('gets the numbers of a batch of texts, for it asks for no encoding', async () => {
    const reply = await send('/embeddings', { input: ['one', 'two'], model: 'embed' })
    const { data } = (await reply.json()) as { data: { embedding: number[] }[] }
    expect(data.map(({ embedding }) => embedding)).toEqual(VECTORS)
  })

  test('shows the message of an error', async () => {
    const reply = await send('/chat/completions', { ...asking('refuse it'), stream: true })
    expect([reply.status, reply.headers.get('content-type')]).toEqual([400, 'application/json'])
    expect(await reply.json()).toMatchObject({ error: { message: REFUSED.message } })
  })

  test('stops the worker when a person stops the answer', async () => {
    const stop = new AbortController()
    const body = { ...asking('endless for Open WebUI'), stream: true }
    const reply = await send('/chat/completions', body, stop.signal)
    const reader = reply.body?.getReader()
    await reader?.read()
    stop.abort()
    await reader?.closed.catch(() => {})
    await eventually('the worker has left', () => {
      return stack().upstream.of('endless for Open WebUI')[0]?.leftAt
    })
  })
})

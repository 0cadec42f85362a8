import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../support/eventually.ts'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that a worker sent. */
export interface Asked {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
  /** Of the last message; the script goes by its first word. */
  readonly prompt: string
  /** When the worker closed the connection before the answer had ended. */
  leftAt?: number
}

/** What tests look at in a message. */
export interface Message {
  readonly role: string
  readonly tool_call_id?: string
}

export interface ScriptedUpstream {
  readonly url: string
  readonly asked: Asked[]
  of(prompt: string): Asked[]
  /** The messages of the first request with this prompt. */
  messagesOf(prompt: string): readonly Message[]
  /** Lets the answer to a prompt that begins with `hold` or `pause` go on. */
  release(prompt: string): Promise<void>
  close(): void
}

/** How long the model thinks between its first piece and the second, longer than the gateway's ping. */
export const THINKS_MS = 16_500
/** How long an answer takes whose prompt begins with `late`. */
export const LATE_MS = 2_500

export const PIECES = ['The answer', ' — «42» 🙂', '\n', 'is "here".']
export const TEXT = PIECES.join('')
export const THOUGHT = ['Let me', ' think.']
export const VECTORS = [
  [0.25, -1.5, 3],
  [1, 0, -0.125],
]
const CALLS = [
  { id: 'call_a', name: 'weather', pieces: ['{"ci', 'ty": "Pa', 'ris", "days": 2}'] },
  { id: 'call_b', name: 'weather', pieces: ['', '{"city": "Köln", ', '"days": 7}'] },
]
export const CALLED = CALLS.map(({ id, name, pieces }) => ({
  id,
  name,
  args: JSON.parse(pieces.join('')) as object,
}))
export const CITY = { city: 'Paris', people: 2_100_000 }
const USAGE = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
/** As vLLM says it. */
export const REFUSED = {
  message: 'tool "weather" is not of this model',
  type: 'BadRequestError',
  param: 'tools[0].function',
  code: 400,
}
const BROKEN = { message: 'the engine ran out of memory', type: 'server_error', code: 500 }

/** A server with the OpenAI API, which does what the first word of a prompt says. Pieces of text come 20 ms apart. */
export async function startUpstream(): Promise<ScriptedUpstream> {
  const asked: Asked[] = []
  const releases = new Map<string, () => void>()
  const server = createServer((request, response) => {
    const { url: path = '' } = request
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      if (request.method === 'GET') return json(response, MODELS)
      const body = JSON.parse(text) as Asked['body']
      const one: Asked = { path, body, prompt: promptOf(body) }
      asked.push(one)
      response.on('close', () => {
        if (!response.writableFinished) one.leftAt = performance.now()
      })
      const count = asked.filter(({ prompt }) => prompt === one.prompt).length
      const held = new Promise<void>((resolve) => releases.set(one.prompt, resolve))
      return void answer(response, one, { count, held })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    of: (prompt) => asked.filter((one) => one.prompt === prompt),
    messagesOf: (prompt) => {
      const { body } = asked.find((one) => one.prompt === prompt) ?? {}
      return (body?.messages ?? []) as Message[]
    },
    release: async (prompt) => {
      const release = await eventually(`the worker asks ${prompt}`, () => releases.get(prompt))
      release()
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const MODELS = { object: 'list', data: ['chat', 'embed'].map((id) => ({ id, object: 'model' })) }

function promptOf({ messages, input }: Asked['body']): string {
  if (!Array.isArray(messages)) return `embeddings of ${JSON.stringify(input)}`
  const { content } = (messages as { content: unknown }[]).at(-1) ?? { content: '' }
  if (typeof content === 'string') return content
  return (content as { text?: string }[]).map(({ text }) => text ?? '').join('')
}

interface Turn {
  /** Requests with this prompt, this one included. */
  readonly count: number
  readonly held: Promise<void>
}

async function answer(response: ServerResponse, { path, body, prompt }: Asked, turn: Turn) {
  const [script = ''] = prompt.split(' ')
  if (path.endsWith('/embeddings')) return json(response, embeddings(body))
  if (script === 'refuse') return json(response, { error: REFUSED }, 400)
  if (script === 'busy' && turn.count === 1) {
    return json(response, { error: { message: 'busy' } }, 429, { 'retry-after': '0' })
  }
  if (script === 'late') await delay(LATE_MS)
  if (script === 'hold') await turn.held
  if (body.stream !== true) return json(response, whole(script))
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for await (const chunk of chunks(script, turn)) {
    if (response.destroyed) return
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  response.end(script === 'break' ? undefined : 'data: [DONE]\n\n')
}

function json(response: ServerResponse, body: object, status = 200, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** A prompt that begins with `cut` needs more tokens than it may have. */
function finishOf(script: string): string {
  if (script === 'tools') return 'tool_calls'
  return script === 'cut' ? 'length' : 'stop'
}

const ENVELOPE = { id: 'chatcmpl-upstream', created: 1_790_000_000, model: 'the-engine-s-own-name' }

function whole(script: string): object {
  const calls = CALLS.map(({ id, name, pieces }) => ({
    id,
    type: 'function',
    function: { name, arguments: pieces.join('') },
  }))
  const isTools = script === 'tools'
  const content = script === 'schema' ? JSON.stringify(CITY) : isTools ? null : TEXT
  const message = {
    role: 'assistant',
    content,
    ...(isTools && { tool_calls: calls }),
    ...(script === 'reason' && { reasoning: THOUGHT.join('') }),
  }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finishOf(script) }]
  return { ...ENVELOPE, object: 'chat.completion', choices, usage: USAGE }
}

const chunk = (delta: object, finish: string | null = null): object => ({
  ...ENVELOPE,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
})

async function* chunks(script: string, turn: Turn): AsyncGenerator<object> {
  yield chunk({ role: 'assistant', content: '' })
  if (script === 'reason') for (const reasoning of THOUGHT) yield chunk({ reasoning })
  if (script === 'tools') {
    yield* toolChunks()
    yield chunk({}, finishOf(script))
  } else {
    yield* textChunks(script, turn)
    if (script === 'break') return yield { error: BROKEN }
    yield chunk({}, finishOf(script))
  }
  yield { ...ENVELOPE, object: 'chat.completion.chunk', choices: [], usage: USAGE }
}

function piecesOf(script: string): readonly string[] {
  if (script === 'schema') return [JSON.stringify(CITY)]
  // Until the worker leaves, or for half a minute.
  return script === 'endless' ? Array.from({ length: 1_500 }, () => 'more ') : PIECES
}

async function* textChunks(script: string, { held }: Turn): AsyncGenerator<object> {
  const pieces = piecesOf(script)
  for (const [index, content] of pieces.entries()) {
    if (script === 'think' && index === 1) await delay(THINKS_MS)
    if (script === 'pause' && index === 1) await held
    yield chunk({ content })
    await delay(20)
  }
}

function* toolChunks(): Generator<object> {
  for (const [index, { id, name, pieces }] of CALLS.entries()) {
    const [first, ...rest] = pieces
    const begun = { index, id, type: 'function', function: { name, arguments: first } }
    yield chunk({ tool_calls: [begun] })
    for (const piece of rest) {
      yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] })
    }
  }
}

/** Numbers to those who ask for base64 and the other way round: the gateway gives what was asked for. */
function embeddings({ input, encoding_format: format }: Asked['body']): object {
  const count = Array.isArray(input) ? input.length : 1
  const data = VECTORS.slice(0, count).map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: format === 'base64' ? vector : base64Of(vector),
  }))
  return { object: 'list', model: 'embed', data, usage: { prompt_tokens: 3, total_tokens: 3 } }
}

function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [index, number] of vector.entries()) bytes.writeFloatLE(number, index * 4)
  return bytes.toString('base64')
}

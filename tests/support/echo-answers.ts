import { echoEngine } from '../../worker-stub/engines/echo.ts'
import { job } from './upstream.ts'
import type { Outcome } from '../../src/job.ts'
import type { EchoOptions } from '../../worker-stub/engines/echo.ts'

export const CHAT = '/v1/chat/completions'
export const COMPLETIONS = '/v1/completions'
export const EMBEDDINGS = '/v1/embeddings'

type Fields = Readonly<Record<string, unknown>>

export interface ToolCall {
  readonly id?: string
  readonly type?: string
  readonly function: { readonly name?: string; readonly arguments: string }
}

interface Said {
  readonly role?: string
  readonly content?: string | null
  readonly reasoning?: string
  readonly tool_calls?: readonly ToolCall[]
}

export interface Choice {
  readonly index: number
  readonly message: Said
  readonly delta: Said
  readonly text: string
  readonly finish_reason: string | null
}

export interface Answer {
  readonly object: string
  readonly model: string
  readonly choices: readonly Choice[]
  readonly usage?: Readonly<Record<string, unknown>>
  readonly data: readonly { readonly index: number; readonly embedding: unknown }[]
}

export interface Told {
  readonly text: string
  readonly chunk: Answer
}

/** What the engine makes of a request to an endpoint, and what it told meanwhile. */
export async function request(
  endpoint: string,
  body: Fields,
  { id = job.id, ...options }: Partial<EchoOptions> & { id?: string } = {},
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<{ outcome: Outcome; told: Told[] }> {
  const engine = echoEngine({ delayMs: 0, tokensPerS: 0, failureRate: 0, ...options })
  const told: Told[] = []
  const asked = { ...job, id, request: { endpoint, body: JSON.stringify(body) } }
  const outcome = await engine.run(asked, signal, (text, chunk = 'null') => {
    told.push({ text, chunk: JSON.parse(chunk) as Answer })
  })
  return { outcome, told }
}

/** The whole body of an answer that is not streamed. */
export async function answer(...given: Parameters<typeof request>): Promise<Answer> {
  const { outcome } = await request(...given)
  if (outcome.kind !== 'succeeded') throw new Error(`it failed: ${JSON.stringify(outcome)}`)
  return JSON.parse(outcome.body ?? 'null') as Answer
}

export const user = (content: unknown): Fields => ({ role: 'user', content })

/** A chat of one message. */
export const hi = (more: Fields = {}, content: unknown = 'Hi there'): Fields => ({
  model: 'm',
  messages: [user(content)],
  ...more,
})

/** The message of a chat's first choice. */
export async function message(body: Fields): Promise<Said> {
  return ((await answer(CHAT, body)).choices[0] as Choice).message
}

/** The deltas of a chat that is streamed. */
export async function deltas(body: Fields): Promise<Said[]> {
  const { told } = await request(CHAT, { stream: true, ...body })
  return told.flatMap(({ chunk }) => chunk.choices.map(({ delta }) => delta))
}

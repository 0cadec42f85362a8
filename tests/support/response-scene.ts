import { expect } from 'vitest'
import { ask, startEngineWorker, startOpenAiGateway } from './engine-worker.ts'
import { eventually } from './eventually.ts'
import { freshSettings } from './scene.ts'
import type { EngineJob } from './engine-worker.ts'

export const RESPONSES = '/v1/responses'
export const chunk = (delta: object, finish: string | null = null) =>
  JSON.stringify({ id: 'e', choices: [{ index: 0, delta, finish_reason: finish }] })
export const bodyOf = (message: object, finish = 'stop') =>
  JSON.stringify({
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
    usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
  })
export const hello = (more: object = {}) => ({ model: 'whole', input: 'Hello', ...more })

/** Thinks, says two words, calls a function. */
export async function talk({ say, end }: EngineJob): Promise<void> {
  await say({ chunks: `[${chunk({ role: 'assistant', reasoning_content: 'hm' })}]` })
  await say({ text: 'A', chunks: `[${chunk({ content: 'A' })}]` })
  await say({ text: 'I', chunks: `[${chunk({ content: 'I' })}]` })
  const call = {
    index: 0,
    id: 'call_1',
    type: 'function',
    function: { name: 'f', arguments: '{"a"' },
  }
  await say({ chunks: `[${chunk({ tool_calls: [call] })}]` })
  const rest = { index: 0, function: { arguments: ':1}' } }
  await say({ chunks: `[${chunk({ tool_calls: [rest] })},${chunk({}, 'tool_calls')}]` })
  const whole = { ...call, index: undefined, function: { name: 'f', arguments: '{"a":1}' } }
  const message = { content: 'AI', reasoning_content: 'hm', tool_calls: [whole] }
  await end({ kind: 'succeeded', content: 'AI', body: bodyOf(message, 'tool_calls') })
}

export const sayHi = ({ end }: EngineJob) =>
  end({ kind: 'succeeded', content: 'Hi', body: bodyOf({ content: 'Hi' }) })

export async function responseScene(
  work: (job: EngineJob) => Promise<unknown>,
  more: Record<string, string> = {},
) {
  const settings = { ...freshSettings(), ...more }
  const worker = await startEngineWorker(settings, work)
  const gateway = await startOpenAiGateway(settings)
  const { url } = gateway
  const create = async (body: object, headers: Record<string, string> = {}) => {
    const reply = await ask(url, RESPONSES, body, { headers })
    return { ...reply, json: reply.text.startsWith('{') ? JSON.parse(reply.text) : undefined }
  }
  const read = async (path: string, method = 'GET') => {
    const reply = await fetch(`${url}${RESPONSES}/${path}`, { method })
    const text = await reply.text()
    return { status: reply.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined }
  }
  const ended = (id: string) =>
    eventually('the response has ended', async () => {
      const { json } = await read(id)
      return json.status !== 'queued' && json.status !== 'in_progress' && json
    })
  return { settings, worker, gateway, url, create, read, ended }
}

export interface Told {
  readonly type: string
  readonly sequence_number: number
  readonly response?: { readonly id: string }
}

/** The events of a stream, which ends as it must. */
export function eventsOf(text: string): Told[] {
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line as string)
  expect(data.pop()).toBe('[DONE]')
  return data.map((line) => JSON.parse(line) as Told)
}

export const pause = () => new Promise<never>(() => {})

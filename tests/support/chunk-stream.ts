import { expect } from 'vitest'
import { toGatewayError } from '../../src/errors.ts'
import { ChunkWriter } from '../../src/http/openai/chunk-writer.ts'
import { OpenAiError } from '../../src/http/openai/openai-errors.ts'
import type { ChunkStream } from '../../src/http/openai/chunk-writer.ts'
import type { JobEvent, Outcome } from '../../src/job.ts'

export const envelope = {
  id: 'chatcmpl-j',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
}

export function writerOf(more: Partial<ChunkStream> = {}): ChunkWriter {
  return new ChunkWriter({
    kind: 'chat',
    envelope: { ...envelope, tier: undefined },
    isVerbatim: true,
    wantsUsage: false,
    errorOf: (error) =>
      error instanceof OpenAiError
        ? error.object
        : { message: 'm', type: 't', param: null, code: toGatewayError(error).code },
    ...more,
  })
}

let entries = 0
export const text = (said: string): JobEvent => ({
  kind: 'delta',
  id: `${(entries += 1)}-0`,
  text: said,
})
export const chunks = (said: string, ...all: (object | string)[]): JobEvent => ({
  kind: 'delta',
  id: `${(entries += 1)}-0`,
  text: said,
  chunks: `[${all.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(',')}]`,
})
export const restart: JobEvent = { kind: 'restart', id: '5-0:restart' }
export const done = (outcome: Outcome | null): JobEvent => ({
  kind: 'done',
  id: 'done',
  view: {
    id: 'j',
    status: outcome?.kind ?? 'succeeded',
    createdAt: 1,
    finishedAt: 2,
    outcome,
  },
})
export const succeeded = (more: Partial<Extract<Outcome, { kind: 'succeeded' }>> = {}): JobEvent =>
  done({ kind: 'succeeded', content: '', ...more })
/** What was not streamed, as the event log takes it from the result. */
export const rest = (said: string): JobEvent => ({ kind: 'delta', id: '0-1', text: said })
export const restartOfContent: JobEvent = { kind: 'restart', id: '0-1:restart' }

interface Written {
  readonly choices?: readonly {
    readonly index: number
    readonly delta?: Record<string, unknown>
    readonly text?: string
    readonly finish_reason?: string | null
  }[]
  readonly usage?: unknown
  readonly error?: { readonly code: string }
}

/** What a client reads, event by event. Every comment is one line, and every event one line of data. */
export function read(written: string): (Written | '[DONE]')[] {
  const events = written.replaceAll(/^: ping\n/gm, '').split('\n\n')
  expect(events.pop()).toBe('')
  return events.map((event) => {
    expect(event).toMatch(/^data: [^\n\r\u0085\u2028\u2029]+$/)
    const data = event.slice('data: '.length)
    return data === '[DONE]' ? data : (JSON.parse(data) as Written)
  })
}
export const write = (events: readonly JobEvent[], more: Partial<ChunkStream> = {}) => {
  const writer = writerOf(more)
  return read(events.map((event) => writer.events([event])).join(''))
}

/** As a client puts the stream together, with the ends and the error. */
export function heard(events: ReturnType<typeof read>) {
  let content = ''
  const roles: unknown[] = []
  const finishes: unknown[] = []
  for (const event of events) {
    if (event === '[DONE]') continue
    for (const { delta, text: piece, finish_reason: finish } of event.choices ?? []) {
      content += (delta?.content as string | null | undefined) ?? piece ?? ''
      if (delta?.role !== undefined) roles.push(delta.role)
      if (finish) finishes.push(finish)
    }
  }
  const last = events.at(-1)
  const end = last === '[DONE]' ? last : last?.error?.code
  return { content, roles, finishes, end }
}

export const role = { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }
export const say = (content: string) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
})
export const stop = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
export const usage = { choices: [], usage: { prompt_tokens: 1 } }
export const call = { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id: 'c' }] } }] }

import * as v from 'valibot'
import { sseData } from './sse-data.ts'
import type { Job, Outcome, Usage } from '../../src/job.ts'
import type { Engine, OnDelta } from '../engine.ts'

export interface OpenaiOptions {
  /** Any OpenAI-compatible server: vLLM, llama.cpp, Ollama. With or without a scheme and `/v1`. */
  readonly url: string
  /** For jobs that name no model; some servers insist on one. */
  readonly model?: string
  readonly apiKey?: string
}

/**
 * Forwards to an OpenAI-compatible server, and its deltas as they come. When it is
 * aborted it closes the connection, by which such a server knows to stop.
 */
export function openaiEngine(options: OpenaiOptions): Engine {
  const endpoint = `${baseUrl(options.url)}/chat/completions`
  const headers = {
    'content-type': 'application/json',
    ...(options.apiKey !== undefined && { authorization: `Bearer ${options.apiKey}` }),
  }
  return {
    async run(job: Job, signal: AbortSignal, onDelta: OnDelta): Promise<Outcome> {
      const body = JSON.stringify(requestOf(job, options.model))
      try {
        const response = await fetch(endpoint, { method: 'POST', headers, body, signal })
        if (!response.ok) return failed(`upstream_${response.status}`, await errorText(response))
        const answer = new Answer(onDelta)
        if (response.headers.get('content-type')?.includes('application/json')) {
          return answer.add(await response.json()).outcome()
        }
        for await (const data of sseData(response.body ?? new ReadableStream())) {
          if (data !== '[DONE]') answer.add(JSON.parse(data))
        }
        return answer.outcome()
      } catch (error) {
        if (signal.aborted) throw error
        if (error instanceof SyntaxError || v.isValiError(error)) {
          return failed('upstream_error', 'the answer is not of the OpenAI API')
        }
        return failed('upstream_unreachable', `no answer from the upstream (${codeOf(error)})`)
      }
    },
  }
}

/** `localhost:8670` (as protollm_api has it), `http://host`, `http://host/v1` -> `http://host/v1`. */
export function baseUrl(url: string): string {
  const absolute = /^https?:\/\//i.test(url) ? url : `http://${url}`
  const trimmed = absolute.replace(/\/+$/, '')
  return trimmed.endsWith('/v1') ? trimmed : `${trimmed}/v1`
}

/** What the job leaves open (null) is left to the server. */
function requestOf({ messages, meta }: Job, defaultModel: string | undefined): object {
  const { temperature, tokensLimit, stopWords, model } = meta
  return {
    model: model ?? defaultModel,
    messages,
    temperature: temperature ?? undefined,
    max_tokens: tokensLimit ?? undefined,
    stop: stopWords && stopWords.length > 0 ? stopWords : undefined,
    stream: true,
    stream_options: { include_usage: true },
  }
}

const Part = v.nullish(v.object({ content: v.nullish(v.string()) }))
/** A chunk of a stream (`delta`) or a whole completion (`message`). */
const Chunk = v.object({
  error: v.nullish(v.object({ message: v.fallback(v.string(), 'unknown') })),
  model: v.nullish(v.string()),
  choices: v.nullish(
    v.array(v.object({ delta: Part, message: Part, finish_reason: v.nullish(v.string()) })),
  ),
  usage: v.nullish(v.object({ prompt_tokens: v.number(), completion_tokens: v.number() })),
})

/** Collects an answer from its chunks, and passes their text on. */
class Answer {
  readonly #onDelta: OnDelta
  #content = ''
  #finishReason: string | undefined
  #model: string | undefined
  #usage: Usage | undefined
  #error: string | undefined

  constructor(onDelta: OnDelta) {
    this.#onDelta = onDelta
  }

  add(json: unknown): this {
    const chunk = v.parse(Chunk, json)
    const choice = chunk.choices?.[0]
    const text = choice?.delta?.content ?? choice?.message?.content ?? ''
    this.#content += text
    if (text !== '') this.#onDelta(text)
    this.#finishReason = choice?.finish_reason ?? this.#finishReason
    this.#model = chunk.model ?? this.#model
    this.#error = chunk.error?.message ?? this.#error
    if (chunk.usage) {
      const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = chunk.usage
      this.#usage = { promptTokens, completionTokens }
    }
    return this
  }

  /** A stream that ends without saying why was cut off: half an answer is none. */
  outcome(): Outcome {
    if (this.#error !== undefined) return failed('upstream_error', this.#error)
    if (this.#finishReason === undefined) return failed('upstream_error', 'the answer was cut off')
    return {
      kind: 'succeeded',
      content: this.#content,
      finishReason: this.#finishReason,
      ...(this.#model !== undefined && { model: this.#model }),
      ...(this.#usage !== undefined && { usage: this.#usage }),
    }
  }
}

/** The kind of fault and never its text: that may hold the address, or a piece of the answer. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const { code } = cause as { code?: unknown }
  return typeof code === 'string' ? code : 'broken off'
}

async function errorText(response: Response): Promise<string> {
  const text = await response.text()
  let message = text
  try {
    const json: unknown = JSON.parse(text)
    message = v.parse(v.object({ error: v.object({ message: v.string() }) }), json).error.message
  } catch {
    // Not the usual error object: the text itself is the best there is.
  }
  return message.slice(0, 1000)
}

const failed = (type: string, message: string): Outcome => ({ kind: 'failed', type, message })

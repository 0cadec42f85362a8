import { membersOf } from '../../src/json-source.ts'
import { AssembledAnswer } from './assembled-answer.ts'
import { Completion } from './completion.ts'
import { choicesOf as choicesIn } from './upstream/choices.ts'
import { isObject } from './upstream/error-text.ts'
import { callUpstream } from './upstream/upstream.ts'
import type { EngineRequest, Outcome } from '../../src/job.ts'
import type { OnDelta } from '../engine.ts'
import type { UpstreamFailure } from './upstream/failure.ts'
import type { UpstreamOptions } from './upstream/upstream.ts'

export interface CarryOptions {
  readonly signal: AbortSignal
  readonly lifeMs: number
  readonly onDelta: OnDelta
}

/**
 * Posts the body that a client sent to an OpenAI endpoint, and hands on what the server answers:
 * each chunk of a stream, or the whole body, as source text. The result of a stream has the whole
 * body, too, where the answer is more than a text. The server validates, not the worker.
 * Throws as `callUpstream` does.
 */
export async function carry(
  { endpoint, body }: EngineRequest,
  options: UpstreamOptions,
  { signal, lifeMs, onDelta }: CarryOptions,
): Promise<Outcome> {
  const path = endpoint.replace(/^\/v1(?=\/)/, '')
  const answer = await callUpstream(options, {
    path,
    body,
    choices: choicesOf(body),
    signal,
    lifeMs,
  })
  let text = ''
  const completion = new Completion((piece) => (text += piece))
  if (answer.kind === 'whole') {
    const { json, source } = answer.body
    // Embeddings, for example, have no choices.
    if (choicesIn(json) === undefined) return { kind: 'succeeded', content: '', body: source }
    return { ...completion.add(json).outcome({ needsText: false }), body: source }
  }
  const assembled = new AssembledAnswer(endpoint)
  for await (const { json, source } of answer.chunks) {
    text = ''
    completion.add(json)
    assembled.add(json, source)
    onDelta(text, source)
  }
  const outcome = completion.outcome({ needsText: false })
  const whole = assembled.body(outcome.content)
  return { ...outcome, ...(whole !== undefined && { body: whole }) }
}

/** How many answers were asked for: `n` for each prompt. A prompt may be a list of tokens. */
function choicesOf(body: string): number {
  const members = membersOf(body)
  const n: unknown = JSON.parse(members.get('n') ?? 'null')
  const prompt: unknown = JSON.parse(members.get('prompt') ?? 'null')
  const isList = Array.isArray(prompt) && typeof prompt[0] !== 'number'
  const prompts = isList ? Math.max(1, prompt.length) : 1
  return prompts * (typeof n === 'number' && n > 1 ? n : 1)
}

/** What the server said of its failure, as far as it is of the API's form. */
export function failureOf({ type, message, status, body }: UpstreamFailure): Outcome {
  const said = isObject(body) && isObject(body.error) ? body.error : body
  const { code, param } = isObject(said) ? said : {}
  const hasCode = typeof code === 'string' || typeof code === 'number'
  return {
    kind: 'failed',
    type,
    message,
    ...(status !== undefined && { status }),
    ...(hasCode && { code: String(code) }),
    ...(typeof param === 'string' && { param }),
  }
}

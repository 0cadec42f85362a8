import { GatewayError } from '../../errors.ts'
import { withMembers } from '../../json-source.ts'
import { inFormat } from './embedding-format.ts'
import { changesOf, withBothReasonings } from './engine-json.ts'
import { CHAT, EMBEDDINGS } from './openai-request.ts'
import type { Outcome } from '../../job.ts'
import type { Envelope } from './engine-json.ts'
import type { RequestFacts } from './openai-request.ts'

type Success = Extract<Outcome, { readonly kind: 'succeeded' }>

/** The JSON text of the answer to a request that is not streamed. */
export async function answerOf(
  request: RequestFacts,
  envelope: Envelope,
  outcome: Success,
): Promise<string> {
  const { endpoint, isVerbatim, encodingFormat, model } = request
  const body = isVerbatim ? outcome.body : undefined
  if (endpoint === EMBEDDINGS) {
    if (body === undefined) throw new GatewayError('bad_result', 'the result has no embeddings')
    const named = withMembers(body, {
      model: JSON.stringify(model),
      ...(envelope.tier !== undefined && { service_tier: JSON.stringify(envelope.tier) }),
    })
    return inFormat(named, encodingFormat)
  }
  if (body === undefined) return JSON.stringify(ofText(endpoint === CHAT, envelope, outcome))
  const answer = withMembers(body, changesOf(envelope))
  return endpoint === CHAT ? withBothReasonings(answer, 'message') : answer
}

function ofText(isChat: boolean, envelope: Envelope, outcome: Success): object {
  const { id, object, created, model, tier } = envelope
  const { content, finishReason = 'stop' } = outcome
  const usage = usageOf(outcome)
  const said = isChat
    ? { message: { role: 'assistant', content, refusal: null } }
    : { text: content }
  return {
    id,
    object,
    created,
    model,
    choices: [{ index: 0, ...said, logprobs: null, finish_reason: finishReason }],
    // A worker that counts no tokens is not given a count.
    ...(usage && { usage }),
    ...(tier !== undefined && { service_tier: tier }),
  }
}

export function usageOf({ usage }: Success): object | undefined {
  if (usage === undefined) return undefined
  const { promptTokens, completionTokens } = usage
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

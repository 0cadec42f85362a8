import { OpenAiError } from '../../src/http/openai/openai-errors.ts'
import { chatBody } from '../../src/http/openai/responses/chat-body.ts'
import { readResponseFields } from '../../src/http/openai/responses/response-request.ts'
import type { ResponseRequest } from '../../src/http/openai/responses/response-request.ts'
import type { Item } from '../../src/http/openai/responses/response-types.ts'

/** The request with this body, which is a source text or an object. The model is always `m`. */
export function readResponse(body: object | string): ResponseRequest {
  const source = typeof body === 'string' ? body : JSON.stringify(body)
  return readResponseFields(source, JSON.parse(source) as Record<string, unknown>, 'm')
}

/** The chat request that such a body becomes, parsed. */
export function chatOf(
  body: object | string,
  earlier: readonly Item[] = [],
): Record<string, unknown> & { readonly messages: readonly unknown[] } {
  const { source } = chatBody(readResponse(body), earlier)
  return JSON.parse(source) as ReturnType<typeof chatOf>
}

/** What an action refuses, which must be a refusal of this surface. */
export function refusalOf(action: () => unknown): OpenAiError {
  try {
    action()
  } catch (error) {
    if (error instanceof OpenAiError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

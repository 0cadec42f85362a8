import { chatAnswer } from './chat.ts'
import { send } from './echo-answer.ts'
import { embeddingsBody } from './embeddings.ts'
import { InvalidRequest } from './invalid-request.ts'
import { completionsAnswer } from './text-completions.ts'
import type { EngineRequest, Outcome } from '../../../src/job.ts'
import type { SendOptions } from './echo-answer.ts'
import type { Fields } from './request-fields.ts'

/** Answers the body of an OpenAI endpoint as a small server would. */
export async function answerRequest(
  { endpoint, body }: EngineRequest,
  jobId: string,
  options: SendOptions,
): Promise<Outcome> {
  const fields = JSON.parse(body) as Fields
  try {
    switch (endpoint) {
      case '/v1/chat/completions':
        return await send(chatAnswer(fields, jobId), fields, options)
      case '/v1/completions':
        return await send(completionsAnswer(fields, jobId), fields, options)
      case '/v1/embeddings': {
        const answer = embeddingsBody(fields)
        return options.failure ?? { kind: 'succeeded', content: '', body: answer }
      }
      default:
        throw new InvalidRequest('the echo engine has no such endpoint', {
          status: 404,
          code: 'unknown_url',
        })
    }
  } catch (error) {
    if (error instanceof InvalidRequest) return error.outcome
    throw error
  }
}

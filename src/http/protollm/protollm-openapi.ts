import * as v from 'valibot'
import { BOOLEAN_SCHEMA } from '../boolean.ts'
import {
  ACCEPTED,
  APPLIED,
  EVENTS,
  LOCATION_IF_ACCEPTED,
  SUBMIT_FAILURES,
  linksBy,
} from '../native/native-openapi.ts'
import { NATIVE_SCHEMAS } from '../native/native-schemas.ts'
import { OUTCOME_HEADERS, body, header, json, jsonSchema, query } from '../openapi/openapi-parts.ts'
import { ChatRequest, GenerateRequest } from './protollm-routes.ts'
import type { AppOptions } from '../app-options.ts'
import type { Contract, Operation } from '../openapi/openapi-parts.ts'

type Options = Pick<AppOptions, 'queues'>

const ContentResponse = v.object({ content: v.string() })

const example = { job_id: '12345', meta: { temperature: 0.5, tokens_limit: 1000 } }
const PROMPT = { ...example, content: 'What is AI?' }
const CHAT = { ...example, messages: [{ role: 'user', content: 'What is AI?' }] }

const PREFER =
  '`wait=10`: wait at most 10 s for the outcome, and never longer than TIMEOUT; then 202. ' +
  '`respond-async`: 202 as soon as the job is accepted. With either, the job is not cancelled when the client leaves'

export const protollmContract = (options: Options): Contract => ({
  paths: {
    '/generate': {
      post: operation(
        'generate',
        'Answer one prompt',
        options,
        body(jsonSchema(GenerateRequest), PROMPT),
      ),
    },
    '/chat_completion': {
      post: operation(
        'chat_completion',
        'Answer a conversation',
        options,
        body(jsonSchema(ChatRequest), CHAT),
      ),
    },
  },
  schemas: NATIVE_SCHEMAS,
})

function operation(
  operationId: string,
  summary: string,
  { queues }: Options,
  requestBody: object,
): Operation {
  const answer = json('The answer, or its events with `stream`', jsonSchema(ContentResponse), {
    ...OUTCOME_HEADERS,
    ...APPLIED,
    ...LOCATION_IF_ACCEPTED,
  })
  return {
    operationId,
    summary,
    tags: ['protollm_api'],
    parameters: [
      query('queue_name', 'One of the gateway’s queues. Without it the first one', {
        enum: queues,
      }),
      query('stream', 'Answer with the events that GET /jobs/{id}/events has', BOOLEAN_SCHEMA),
      header('Prefer', PREFER, { examples: ['wait=10', 'respond-async'] }),
    ],
    requestBody,
    responses: {
      200: {
        ...answer,
        content: { ...(answer.content as object), ...EVENTS },
        ...linksBy('$request.body#/job_id'),
      },
      202: ACCEPTED,
      ...SUBMIT_FAILURES,
    },
  }
}

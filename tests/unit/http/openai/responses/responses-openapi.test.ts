import { describe, expect, test } from 'vitest'
import { responsesContract } from '../../../../../src/http/openai/responses/responses-openapi.ts'
import { responseRequestSchema } from '../../../../../src/http/openai/responses/request-schema.ts'
import { RESPONSE_SCHEMAS } from '../../../../../src/http/openai/responses/response-schemas.ts'
import { listItems } from '../../../../../src/http/openai/responses/input-items.ts'
import {
  openState,
  responseObject,
} from '../../../../../src/http/openai/responses/response-object.ts'
import { usageOfWorker } from '../../../../../src/http/openai/responses/response-usage.ts'
import { MODELS } from '../../../../support/openai.ts'
import { readResponse } from '../../../../support/responses.ts'

const contract = responsesContract({ models: MODELS })
const operations = Object.values(contract.paths).flatMap((path) => Object.values(path))
const { echo } = readResponse({ input: 'x' })
const response = responseObject({ id: 'resp_1', createdAt: 1, echo }, openState('queued'))

describe('the contract of the responses', () => {
  test('has every field of the object, and no other', () => {
    const { required, properties } = RESPONSE_SCHEMAS.Response
    expect((required as string[]).toSorted()).toEqual(Object.keys(response).toSorted())
    expect(Object.keys(properties as object)).toEqual(required)
  })

  test('has every field that OpenAI’s types require', () => {
    expect(RESPONSE_SCHEMAS.Response.required).toEqual(
      expect.arrayContaining([
        'id',
        'object',
        'created_at',
        'status',
        'error',
        'incomplete_details',
        'instructions',
        'metadata',
        'model',
        'output',
        'parallel_tool_calls',
        'temperature',
        'tool_choice',
        'tools',
        'top_p',
      ]),
    )
  })

  test('has every field of a page and of the usage', () => {
    const page = Object.keys(listItems([], {}))
    expect(RESPONSE_SCHEMAS.ResponseItemList.required).toEqual(page)
    const usage = usageOfWorker({ promptTokens: 1, completionTokens: 1 }) as object
    const schema = JSON.stringify(RESPONSE_SCHEMAS.Response)
    for (const name of Object.keys(usage)) expect(schema).toContain(`"${name}"`)
  })

  test('names the queries that the routes look at', () => {
    const named = operations.map(({ operationId, parameters }) => [
      operationId,
      (parameters as { name: string }[]).map(({ name }) => name),
    ])
    expect(Object.fromEntries(named)).toEqual({
      create_response: ['Idempotency-Key', 'x-stainless-timeout'],
      retrieve_response: ['id', 'stream', 'starting_after', 'include', 'include_obfuscation'],
      delete_response: ['id'],
      cancel_response: ['id'],
      list_input_items: ['id', 'limit', 'order', 'after', 'include'],
    })
  })

  test('has the headers and the forms of each answer', () => {
    const created = contract.paths['/v1/responses']?.post?.responses
    expect(Object.keys(created?.[200]?.headers ?? {})).toEqual([
      'x-job-id',
      'idempotent-replayed',
      'x-ignored-parameters',
      'server-timing',
    ])
    expect(created?.[429]).toMatchObject({ headers: { 'retry-after': { required: true } } })
    expect(created?.[504]).toMatchObject({ headers: { 'x-should-retry': {} } })
    for (const { operationId, responses } of operations) {
      const types = Object.keys((responses[200]?.content ?? {}) as object)
      const isStreamed = operationId === 'create_response' || operationId === 'retrieve_response'
      expect([operationId, types]).toEqual([
        operationId,
        ['application/json', ...(isStreamed ? ['text/event-stream'] : [])],
      ])
      expect(responses[200]?.headers).toHaveProperty('x-job-id')
    }
  })

  test('says what is refused by name, and which limits metadata has', () => {
    const { properties } = responseRequestSchema(false) as { properties: Record<string, object> }
    for (const name of ['conversation', 'prompt', 'context_management']) {
      expect(properties[name]).toMatchObject({ anyOf: [{ type: 'null' }, { maxItems: 0 }] })
    }
    expect(properties.metadata).toMatchObject({
      maxProperties: 16,
      propertyNames: { maxLength: 64 },
      additionalProperties: { maxLength: 512 },
    })
  })
})

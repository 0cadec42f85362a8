import { BOOLEAN_SCHEMA } from '../../boolean.ts'
import { JOB_ID as JOB_ID_PATTERN } from '../../job-id.ts'
import { JOB_ID, OUTCOME_HEADERS, body, json, query } from '../../openapi/openapi-parts.ts'
import { FAILURES, IGNORED, JOB_HEADERS, READ_FAILURES, error } from '../openai-failures.ts'
import { RESPONSES } from '../openai-request.ts'
import { DEFAULT_LIMIT, MAX_LIMIT, ORDERS } from './input-items.ts'
import { responseRef, responseSchemas } from './response-schemas.ts'
import type { Contract, JsonObject, Operation } from '../../openapi/openapi-parts.ts'
import type { OpenAiOptions } from '../openai-options.ts'

const PATH_ID = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id of a stored response',
  schema: { type: 'string', pattern: JOB_ID_PATTERN.source },
  example: 'resp_019ac2b7d1f47c1f8a3b5d6e7f809a1b',
}

/** What a client may do next. A stream has its id in a header as well. `id` is an expression of OpenAPI that finds the id. */
function linksBy(id: string): JsonObject {
  const parameters = { id }
  return {
    links: {
      retrieve: { operationId: 'retrieve_response', parameters },
      cancel: { operationId: 'cancel_response', parameters },
      delete: { operationId: 'delete_response', parameters },
      input_items: { operationId: 'list_input_items', parameters },
    },
  }
}

const EVENTS = { 'text/event-stream': { schema: responseRef('ResponseEvent') } }
const RESPONSE = responseRef('Response')

const NOT_FOUND = error(
  'There is no stored response with this id (`response_not_found`). Those that a request with ' +
    '`store` false made in the foreground are not stored',
)
const INCLUDE = query('include', 'It has no effect: all that is known is always there', {
  type: 'array',
  items: { type: 'string' },
})

function create(model: string): Operation {
  const { content, ...answer } = json(
    'The response; in the background as it is now, else with its outcome',
    RESPONSE,
    { ...OUTCOME_HEADERS, ...IGNORED },
  )
  return {
    operationId: 'create_response',
    summary: 'Create a response',
    tags: ['openai'],
    parameters: JOB_HEADERS,
    requestBody: body(responseRef('ResponseRequest'), { model, input: 'What is AI?' }),
    responses: {
      ...FAILURES,
      200: {
        ...answer,
        content: { ...(content as object), ...EVENTS },
        ...linksBy('$response.header.x-job-id'),
      },
      429: {
        ...FAILURES[429],
        description:
          'Too many background responses are queued or running (`too_many_background`). Or the engine says so',
      },
    },
  }
}

const RETRIEVE: Operation = {
  operationId: 'retrieve_response',
  summary: 'Get a response, or its events from any one on',
  tags: ['openai'],
  parameters: [
    PATH_ID,
    query('stream', 'The events, until the response has ended', BOOLEAN_SCHEMA),
    query('starting_after', 'Of `stream`: the number of the last event that the client has', {
      type: 'integer',
      minimum: 0,
      maximum: 999_999_999,
    }),
    INCLUDE,
    query('include_obfuscation', 'It has no effect: no event is padded', { type: 'string' }),
  ],
  responses: {
    200: {
      description: 'The response as it is now, or its events',
      headers: JOB_ID,
      content: { 'application/json': { schema: RESPONSE }, ...EVENTS },
      ...linksBy('$request.path.id'),
    },
    400: error(
      'A parameter is invalid: see `param`. Or the first events are gone (`response_not_streamable`)',
    ),
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

const DELETE: Operation = {
  operationId: 'delete_response',
  summary: 'Cancel a response if it has not ended, and remove all that is stored of it',
  tags: ['openai'],
  parameters: [PATH_ID],
  responses: {
    200: json('It is deleted', responseRef('DeletedResponse'), JOB_ID),
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

const CANCEL: Operation = {
  operationId: 'cancel_response',
  summary: 'Cancel a background response',
  tags: ['openai'],
  parameters: [PATH_ID],
  responses: {
    200: {
      ...json('The response, cancelled now or ended before', RESPONSE, JOB_ID),
      ...linksBy('$request.path.id'),
    },
    400: error('It is not in the background, so that its client cancels it by leaving'),
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

const INPUT_ITEMS: Operation = {
  operationId: 'list_input_items',
  summary: 'List the input of a response, with the conversation that it continues',
  tags: ['openai'],
  parameters: [
    PATH_ID,
    query('limit', 'Items at most', {
      type: 'integer',
      minimum: 1,
      maximum: MAX_LIMIT,
      default: DEFAULT_LIMIT,
    }),
    query('order', '`desc`: the newest first', { enum: ORDERS, default: 'desc' }),
    query('after', 'The id of the last item that the client has', { type: 'string' }),
    INCLUDE,
  ],
  responses: {
    200: {
      ...json('A page of the items', responseRef('ResponseItemList'), JOB_ID),
      ...linksBy('$request.path.id'),
    },
    400: error('A parameter is invalid: see `param`'),
    404: NOT_FOUND,
    ...READ_FAILURES,
  },
}

export function responsesContract({ models }: Pick<OpenAiOptions, 'models'>): Contract {
  const all = models.all()
  return {
    paths: {
      [RESPONSES]: { post: create(all[0]?.id ?? 'my-model') },
      [`${RESPONSES}/{id}`]: { get: RETRIEVE, delete: DELETE },
      [`${RESPONSES}/{id}/cancel`]: { post: CANCEL },
      [`${RESPONSES}/{id}/input_items`]: { get: INPUT_ITEMS },
    },
    schemas: responseSchemas(all.length > 1),
  }
}

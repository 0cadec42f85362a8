import { json } from './openapi/openapi-parts.ts'
import type { Contract, JsonObject, Operation } from './openapi/openapi-parts.ts'

const status = (name: string) => ({
  type: 'object',
  properties: { status: { const: name } },
  required: ['status'],
})

const count = { type: 'integer', minimum: 0 }
const queues = {
  type: 'array',
  items: {
    type: 'object',
    properties: { queue: { type: 'string' }, workers: count, waiting: count },
    required: ['queue', 'workers', 'waiting'],
  },
}

const parts = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      ready: { type: 'boolean' },
      detail: { type: 'string' },
      announced: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            queue: { type: 'string' },
            workers: { type: 'integer' },
            running: { type: 'integer' },
            concurrency: { type: 'integer' },
          },
          required: ['queue', 'workers', 'running', 'concurrency'],
        },
      },
      queues,
    },
    required: ['name', 'ready', 'detail'],
  },
}

function readiness(name: string): JsonObject {
  const { type, properties, required } = status(name)
  return { type, properties: { ...properties, parts }, required: [...required, 'parts'] }
}

function get(operationId: string, summary: string, responses: Operation['responses']) {
  return { get: { operationId, summary, tags: ['operations'], responses } }
}

export const OPERATIONS_CONTRACT: Contract = {
  paths: {
    '/livez': get('livez', 'Whether the process runs', { 200: json('It runs', status('ok')) }),
    '/readyz': get('readyz', 'Whether the gateway can take jobs, and what is missing', {
      200: json('Ready', readiness('ready')),
      503: json('Not ready', readiness('not ready')),
    }),
    '/metrics': get('metrics', 'Counts and durations for Prometheus', {
      200: {
        description: 'The text exposition format',
        content: { 'text/plain': { schema: { type: 'string' } } },
      },
    }),
  },
  schemas: {},
}

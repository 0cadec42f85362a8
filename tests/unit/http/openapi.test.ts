import { describe, expect, test } from 'vitest'
import { EVENT_ID, positionOf } from '../../../src/gateway/event-log.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { createApp } from '../../../src/http/app.ts'
import { booleanOf } from '../../../src/http/boolean.ts'
import { STATUS } from '../../../src/http/errors.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { limits, noGateway, v1 } from '../../support/app.ts'
import { createLog } from '../../../src/telemetry/log.ts'

const app = createApp({
  gateway: noGateway,
  limits,
  queues: ['q', 'other'],
  carriesMeta: true,
  maxBodyBytes: 1,
  v1,
  models: { route: () => undefined, settlesInMs: () => 0, all: () => [] },
  health: () => [],
  metrics: createMetrics(),
  log: createLog('silent'),
})
const document = (await (await app.request('/openapi.json')).json()) as {
  openapi: string
  info: { version: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, unknown> }
}
interface Operation {
  operationId: string
  parameters?: { name: string; in: string; schema: ParameterSchema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, Answer>
}
interface ParameterSchema {
  pattern?: string
  enum?: string[]
  anyOf?: { pattern?: string }[]
}
interface Answer {
  headers: Record<string, object>
  content?: Record<string, { schema: Schema }>
  links?: Record<string, { operationId: string; parameters: Record<string, string> }>
}
interface Schema {
  properties: Record<string, Record<string, unknown>>
  required: string[]
  oneOf?: unknown
}
const operations = Object.entries(document.paths).flatMap(([path, byMethod]) =>
  Object.entries(byMethod).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path}`,
    ...operation,
  })),
)
const operation = (id: string) => operations.find(({ operationId }) => operationId === id)
const parameter = (id: string, called: string) =>
  operation(id)?.parameters?.find(({ name }) => name === called)?.schema
const bodyOf = (id: string) => operation(id)?.requestBody?.content['application/json']?.schema

describe('/openapi.json', () => {
  test('describes every route of the API and no other', () => {
    const described = operations.map(({ route }) => route)
    const served = app.routes
      .filter(({ method, path }) => method !== 'ALL' && !/^\/(docs|openapi|$)/.test(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{[^}]+\})?/g, '{$1}')}`)
    expect(described.toSorted()).toEqual([...new Set(served)].toSorted())
  })

  test('names each operation once, and every part of its path', () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { route, parameters = [] } of operations) {
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(route.match(/\{\w+\}/g) ?? [])
    }
  })

  test('refers to nothing that is not there, and has nothing that is not referred to', () => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)
    const names = new Set([...references].map(([, name]) => name as string))
    expect([...names].toSorted()).toEqual(Object.keys(document.components.schemas).toSorted())
  })

  test('has the headers and queries that a job’s routes look at', () => {
    const taken = ['submit_job', 'job', 'job_events', 'generate'].map((id) =>
      operation(id)?.parameters?.map(({ name }) => name),
    )
    expect(taken).toEqual([
      ['Prefer', 'Idempotency-Key'],
      ['id', 'Prefer'],
      ['id', 'Last-Event-ID', 'lastEventId', 'after'],
      ['queue_name', 'stream', 'Prefer'],
    ])
  })

  test('tells a stream from an answer, and an error from both', () => {
    const typesOf = (id: string, status: number) =>
      Object.keys(operation(id)?.responses[status]?.content ?? {})
    expect(typesOf('generate', 200)).toEqual(['application/json', 'text/event-stream'])
    expect(typesOf('job_events', 200)).toEqual(['text/event-stream'])
    expect(typesOf('job_events', 204)).toEqual([])
    expect(typesOf('submit_job', 422)).toEqual(['application/json', 'application/problem+json'])
    for (const id of ['job', 'cancel_job', 'job_events']) {
      expect(typesOf(id, 404)).toEqual(['application/problem+json'])
    }
  })

  test('has the version of the package', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info.version).toBe(packageJson.version)
  })

  test('says of queues and time to live what this very gateway takes', () => {
    const { queue_name, ttl } = bodyOf('submit_job')?.properties ?? {}
    expect(queue_name?.anyOf).toEqual([{ enum: ['q', 'other'] }, { type: 'null' }])
    expect(ttl?.anyOf).toMatchObject([{ minimum: 1, maximum: 10 }, { type: 'null' }])
    for (const id of ['generate', 'chat_completion']) {
      expect(parameter(id, 'queue_name')).toEqual({ enum: ['q', 'other'] })
    }
  })

  test('takes for the id of an event what the gateway does, or nothing', () => {
    for (const name of ['Last-Event-ID', 'lastEventId', 'after']) {
      const pattern = new RegExp(parameter('job_events', name)?.pattern ?? 'none')
      for (const id of ['1-1', '0-0', '17-0:restart', 'x', '1', '1-1 ', '1-1:done', 'adone']) {
        expect([id, pattern.test(id)]).toEqual([id, positionOf(id) !== undefined])
      }
      for (const id of ['done', '']) expect(pattern.test(id)).toBe(true)
    }
    expect(EVENT_ID.test('done')).toBe(true)
  })

  test('takes for `stream` every spelling of a boolean that the gateway takes, and no other', () => {
    const { anyOf = [] } = parameter('generate', 'stream') ?? {}
    const pattern = new RegExp(anyOf.find((one) => one.pattern !== undefined)?.pattern ?? 'none')
    for (const text of ['True', 'FALSE', '1', '0', 'oN', 'off', 'Y', 'n', '2', '', 'truey', ' t']) {
      expect([text, pattern.test(text)]).toEqual([text, booleanOf(text) !== undefined])
    }
  })

  test('has a request id on every answer, and on every error its status with the codes of that', () => {
    for (const { responses } of operations) {
      for (const [status, { headers, content }] of Object.entries(responses)) {
        expect(headers).toHaveProperty('x-request-id')
        const problem = content?.['application/problem+json']?.schema.properties
        if (problem === undefined) continue
        expect(problem.status).toEqual({ const: Number(status) })
        const named = Object.entries(STATUS).filter(([, its]) => its === Number(status))
        expect(problem.code).toEqual({ enum: named.map(([code]) => code) })
      }
    }
  })

  test('leads from every job and every response to all that can be done with it', () => {
    const linked = operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses).map(([status, { links = {} }]) => {
        for (const link of Object.values(links)) {
          const path = operation(link.operationId)?.parameters?.filter((one) => one.in === 'path')
          expect(Object.keys(link.parameters)).toEqual(path?.map(({ name }) => name))
        }
        return [`${operationId} ${status}`, Object.values(links).map((link) => link.operationId)]
      }),
    )
    const told = linked.filter(([, to]) => to?.length !== 0)
    const everything = ['job', 'cancel_job', 'job_events']
    const ofResponses = [
      'retrieve_response',
      'cancel_response',
      'delete_response',
      'list_input_items',
    ]
    const expected = [
      ...['generate', 'chat_completion', 'submit_job'].flatMap((id) =>
        [200, 202, 504].map((status) => [`${id} ${status}`, everything]),
      ),
      ...everything.map((id) => [`${id} 200`, everything]),
      // What was deleted leads nowhere.
      ...['create_response', ...ofResponses]
        .filter((id) => id !== 'delete_response')
        .map((id) => [`${id} 200`, ofResponses]),
    ]
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(expected))
  })

  test('says of the body what is enforced', () => {
    const schema = bodyOf('chat_completion')
    expect(schema?.required).toEqual(['job_id', 'meta', 'messages'])
    expect(schema?.properties.job_id).toMatchObject({ pattern: expect.stringContaining('{1,128}') })
    expect(schema?.properties.messages).toMatchObject({
      type: 'array',
      minItems: 1,
      maxItems: 1024,
    })
    expect(schema?.properties.priority).toEqual({
      anyOf: [{ type: 'integer', minimum: 0, maximum: 255 }, { type: 'null' }],
      default: null,
    })
    // Of these, exactly one.
    expect(bodyOf('submit_job')?.oneOf).toMatchObject([
      { required: ['content'] },
      { required: ['messages'] },
    ])
  })
})

describe('/docs', () => {
  test('loads nothing from elsewhere, and all it loads is here', async () => {
    const page = await (await app.request('/docs')).text()
    expect(page).not.toMatch(/https?:/)
    const sources = [...page.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map(
      ([, path]) => `/${path}`,
    )
    expect(sources).toHaveLength(3)
    for (const path of sources) expect((await app.request(path)).status).toBe(200)
  })
})

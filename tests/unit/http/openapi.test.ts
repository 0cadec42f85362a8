import { describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { createApp } from '../../../src/http/app.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { noJobs } from '../../support/app.ts'
import { createLog } from '../../../src/telemetry/log.ts'

const app = createApp({
  ...noJobs,
  gateway: { run: async () => expect.unreachable(), submit: async () => expect.unreachable() },
  queues: ['q'],
  maxBodyBytes: 1,
  health: () => [],
  metrics: createMetrics(),
  log: createLog('silent'),
})
const document = (await (await app.request('/openapi.json')).json()) as {
  openapi: string
  info: { version: string }
  paths: Record<
    string,
    Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>
  >
}
interface Schema {
  properties: Record<string, Record<string, unknown>>
  required: string[]
}

describe('/openapi.json', () => {
  test('describes every route of the API and no other', () => {
    const described = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const served = app.routes
      .filter(({ method, path }) => method !== 'ALL' && !/^\/(docs|openapi)/.test(path))
      .map(({ method, path }) => `${method} ${path}`)
    expect(described.toSorted()).toEqual([...new Set(served)].toSorted())
  })

  test('has the version of the package', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info.version).toBe(packageJson.version)
  })

  test('says of the body what is enforced', () => {
    const schema =
      document.paths['/chat_completion']?.post?.requestBody?.content['application/json']?.schema
    expect(schema?.required).toEqual(['job_id', 'meta', 'messages'])
    expect(schema?.properties.job_id).toMatchObject({ pattern: expect.stringContaining('{1,128}') })
    expect(schema?.properties.messages).toMatchObject({ type: 'array', minItems: 1 })
    expect(schema?.properties.priority).toEqual({
      anyOf: [{ type: 'integer', minimum: 0, maximum: 255 }, { type: 'null' }],
      default: null,
    })
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

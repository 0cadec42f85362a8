import { createServer } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLog } from '../../../src/telemetry/log.ts'
import { UpstreamModels } from '../../../worker-stub/upstream-models.ts'
import { Lines } from '../../../dev/lines.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { UpstreamModelsOptions } from '../../../worker-stub/upstream-models.ts'

const capabilities = ['text', 'chat']
const list = (...ids: string[]) => JSON.stringify({ data: ids.map((id) => ({ id, object: 'm' })) })

/** A server whose answer the test changes, and what asks it. */
async function scene(body: string, more: Partial<UpstreamModelsOptions> = {}) {
  const answer = { status: 200, body }
  const asked: IncomingMessage[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request)
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const lines = new Lines()
  const log = createLog('debug', lines)
  const models = new UpstreamModels({ url, capabilities, log, askAgainMs: 0, ...more })
  const names = async () => (await models.current()).map(({ name }) => name)
  return { answer, asked, models, names, log: lines, server }
}

describe('the models of an OpenAI-compatible server', () => {
  test('are those that it lists, each once, asked for with the key', async () => {
    const { models, asked } = await scene(list('a', 'b', 'a'), { apiKey: 'k' })
    expect(await models.current()).toEqual([
      { name: 'a', capabilities },
      { name: 'b', capabilities },
    ])
    expect(asked.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/v1/models', 'Bearer k'],
    ])
  })

  test('are asked for now and then, not at every renewal', async () => {
    const { names, asked } = await scene(list('a'), { askAgainMs: 60_000 })
    expect([await names(), await names()]).toEqual([['a'], ['a']])
    expect(asked).toHaveLength(1)
  })

  test('follow the server', async () => {
    const { answer, names } = await scene(list('a'))
    expect(await names()).toEqual(['a'])
    answer.body = list('b')
    expect(await names()).toEqual(['b'])
    answer.body = list()
    expect(await names()).toEqual([])
  })

  test.each([
    ['an error', 500, list('b'), 'status 500'],
    ['no JSON', 200, '<html>', expect.any(String)],
    ['no list', 200, '{"data":{}}', 'the answer is no list of models'],
    ['a list of something else', 200, '{"data":[{"id":7}]}', 'the answer is no list of models'],
  ])(
    'stay as they were while it answers with %s, with one warning',
    async (_, status, body, error) => {
      const { answer, names, log } = await scene(list('a'), { askAgainMs: 0 })
      expect(await names()).toEqual(['a'])
      Object.assign(answer, { status, body })
      expect([await names(), await names()]).toEqual([['a'], ['a']])
      expect(log.named('worker.models_unknown')).toMatchObject([{ error }])
      Object.assign(answer, { status: 200, body: list('c') })
      expect(await names()).toEqual(['c'])
    },
  )

  test('are none until it is there', async () => {
    const { server, names, log } = await scene(list('a'), { askAgainMs: 60_000 })
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    expect([await names(), await names()]).toEqual([[], []])
    expect(log.named('worker.models_unknown')).toHaveLength(1)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    expect(await names()).toEqual(['a'])
  })

  test('are the one that is set, and the server is not asked', async () => {
    const { models, asked } = await scene(list('a'), { model: 'mine' })
    expect(await models.current()).toEqual([{ name: 'mine', capabilities }])
    expect(asked).toEqual([])
  })

  test('are at most as many as a worker may announce', async () => {
    const many = Array.from({ length: 1_500 }, (_, at) => `m-${at}`)
    const { names } = await scene(list(...many))
    expect(await names()).toHaveLength(1_000)
  })
})

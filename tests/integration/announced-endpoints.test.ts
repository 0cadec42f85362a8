import { expect, test } from 'vitest'
import { announcedScene } from '../support/announced.ts'
import { ask } from '../support/engine-worker.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway, testChannel } from '../support/scene.ts'

const ENDPOINTS = {
  '/v1/chat/completions': ['chat', { messages: [{ role: 'user', content: 'x' }] }],
  '/v1/completions': ['completions', { prompt: 'x' }],
  '/v1/embeddings': ['embeddings', { input: 'x' }],
} as const

async function scene() {
  const at = await announcedScene({ TIMEOUT: '0.2', JOB_TTL_S: '60' })
  const queue = at.settings.QUEUE_NAME
  const { url } = await startGateway(at.settings)
  const channel = await testChannel()
  const served = async (name: string) => {
    const model = (await (await fetch(`${url}/v1/models/${name}`)).json()) as { served?: boolean }
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as {
      data: { id: string; served: boolean }[]
    }
    const listed = data.find(({ id }) => id === name)?.served
    return listed === model.served ? listed : 'the two differ'
  }
  const depth = async () => (await channel.checkQueue(queue)).messageCount
  return { ...at, queue, url, served, depth }
}

test.each(Object.entries(ENDPOINTS))(
  'a request to %s is a 400 where no worker of its model serves it, and no job begins',
  async (path, [name, body]) => {
    const { say, queue, url, served, depth } = await scene()
    const others = Object.values(ENDPOINTS).flatMap(([one]) => (one === name ? [] : [one]))
    const modelsWith = (...more: string[]) => [{ name: 'm', capabilities: ['verbatim', ...more] }]
    await say('w', { queue, models: modelsWith(...others) })
    await eventually('it is served', async () => (await served('m')) === true)
    for (const stream of [false, true]) {
      const { status, text } = await ask(url, path, { model: 'm', stream, ...body })
      expect(status).toBe(400)
      const { error } = JSON.parse(text) as { error: object }
      expect(error).toMatchObject({ type: 'invalid_request_error', param: 'model' })
    }
    expect(await depth()).toBe(0)
    await say('x', { queue, models: modelsWith() })
    await eventually('it begins a job', async () => {
      return (await ask(url, path, { model: 'm', ...body })).status === 504
    })
    expect(await depth()).toBe(1)
  },
)

test('a model is served as long as a worker is there, and known after that', async () => {
  const { say, stop, queue, url, served } = await scene()
  await say('w', { queue, models: ['m'] })
  await eventually('it is served', async () => (await served('m')) === true)
  await stop('w')
  await eventually('it is not served', async () => (await served('m')) === false)
  const { status } = await ask(url, '/v1/chat/completions', {
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
  })
  expect(status).toBe(504)
})

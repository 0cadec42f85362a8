import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { freshSettings, startGateway, startPlainWorker } from '../support/scene.ts'
import { AMBIGUOUS, CHUNKS_OF_HTTP_1_0, JOBS, NO_JOBS, TWO_JOBS } from './support/corpus.ts'
import { RawClient } from './support/raw.ts'

/** A gateway that is sent one case after another, each on a connection of its own. */
async function scene() {
  const settings = freshSettings()
  const gateway = await startGateway(settings)
  const worker = await startPlainWorker(settings, ({ content }) => content)
  let cases = 0
  const send = async (bytes: string) => {
    cases += 1
    const client = new RawClient(gateway.url)
    const number = String(cases).padStart(4, '0')
    // Ids of its own, of the same length; or it would join the jobs of the case before.
    client.send(bytes.replaceAll('outer', `o${number}`).replaceAll('smuggled', `s000${number}`))
    await eventually(`an answer to ${JSON.stringify(bytes)}`, () => {
      return client.isClosed || client.answers.length > 0
    })
    // Whatever else was read from that connection has been published before this one, and answered.
    expect((await generate(gateway.url, `fence-${number}`, 'x')).status).toBe(200)
    const names = new Map([
      [`o${number}`, 'outer'],
      [`s000${number}`, 'smuggled'],
    ])
    const published = worker.tasks.flatMap(({ id }) => names.get(id) ?? [])
    return { client, seen: { statuses: client.answers.map(({ status }) => status), published } }
  }
  return { gateway, send }
}

const closed = (client: RawClient) => eventually('it is closed', () => client.isClosed, 5_000)

test('a request of ambiguous framing is a 400 and a closed connection, and nothing of it is published', async () => {
  const { send } = await scene()
  for (const [what, bytes] of AMBIGUOUS) {
    const { client, seen } = await send(bytes)
    expect({ what, ...seen }).toEqual({ what, statuses: [400], published: [] })
    await closed(client)
    expect(client.answers).toHaveLength(1)
  }
})

test('a job that is framed oddly and yet in one way is one job with one answer', async () => {
  const { send } = await scene()
  for (const [what, bytes] of JOBS) {
    const { client, seen } = await send(bytes)
    expect({ what, ...seen }).toEqual({ what, statuses: [200], published: ['outer'] })
    expect(client.answers[0]?.body).toBe(JSON.stringify({ content: 'x' }))
  }
})

test('the body of a request that is refused is never read as a request', async () => {
  const { send } = await scene()
  for (const [what, bytes, status] of NO_JOBS) {
    const { seen } = await send(bytes)
    expect({ what, ...seen }).toEqual({ what, statuses: [status], published: [] })
  }
})

test('chunks of an HTTP/1.0 request end its connection', async () => {
  const { send } = await scene()
  const { client, seen } = await send(CHUNKS_OF_HTTP_1_0)
  expect(seen.published).not.toContain('smuggled')
  await closed(client)
  expect(client.answers).toHaveLength(1)
})

test('a tunnel is refused', async () => {
  const { gateway } = await scene()
  const client = new RawClient(gateway.url)
  client.send('CONNECT elsewhere:80 HTTP/1.1\r\nHost: elsewhere\r\n\r\n')
  await closed(client)
  expect(client.received).toBe('')
})

test('two requests that no server could take for one are two, or the tests above would see nothing', async () => {
  const { send } = await scene()
  const { client, seen } = await send(TWO_JOBS)
  expect(seen.published).toEqual(['outer', 'smuggled'])
  await eventually('both are answered', () => client.answers.length === 2)
})

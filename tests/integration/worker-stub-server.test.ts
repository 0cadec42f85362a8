import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../dev/services/port.ts'
import { openaiEngine } from '../../worker-stub/engines/openai.ts'
import { eventually } from '../support/eventually.ts'
import { HELLO, upstream } from '../support/upstream.ts'
import { echoAt, startWorker, workerScene } from '../support/worker-stub.ts'

const UNREACHABLE = 'worker.server_unreachable'

/** An address where no server is, until one is opened there. */
async function absentServer() {
  const port = await freePort()
  const open = async (): Promise<void> => {
    const server = createServer((_, response) => void response.end(HELLO.join('')))
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
  }
  const url = `http://127.0.0.1:${port}`
  return { url, open, engine: openaiEngine({ url }) }
}

test('a worker whose server is away says so with its address, and leaves the jobs to the others', async () => {
  const { settings, send, result, channel } = await workerScene()
  const { url, engine } = await absentServer()
  const { log } = await startWorker(settings, engine)
  send('u-0', 'run-1')
  expect(await log.until(UNREACHABLE)).toMatchObject({ level: 'warn', server: `${url}/v1` })
  await eventually('it takes no more jobs', async () => {
    return (await channel.checkQueue(settings.QUEUE_NAME)).consumerCount === 0
  })
  await startWorker(settings, echoAt(0))
  for (let count = 1; count <= 20; count += 1) send(`u-${count}`, 'run-1')
  for (let count = 0; count <= 20; count += 1) {
    expect(await result(`u-${count}`)).toMatchObject({ content: 'echo: x' })
  }
  expect(log.named('job.given_back')).toHaveLength(1)
  expect(log.named('job.done')).toEqual([])
})

test('takes jobs again when its server is back', async () => {
  const { settings, send, result, channel } = await workerScene()
  const { engine, open } = await absentServer()
  const { log } = await startWorker(settings, engine)
  send('u-30', 'run-1')
  await log.until('job.given_back')
  send('u-31', 'run-1')
  const { messageCount } = await eventually('both wait', async () => {
    const found = await channel.checkQueue(settings.QUEUE_NAME)
    return found.messageCount === 2 && found
  })
  expect(messageCount).toBe(2)
  await open()
  for (const id of ['u-30', 'u-31']) expect(await result(id)).toMatchObject({ content: 'Hello' })
  expect(log.named(UNREACHABLE)).toHaveLength(1)
  expect(log.named('worker.server_back')).toHaveLength(1)
})

test('a job is given back once: when it comes again it is kept, and its cancel is heard', async () => {
  const { settings, send, result, cancel, redis } = await workerScene()
  // As the gateway sets it; here there is none.
  await redis.configSet('notify-keyspace-events', 'K$gt')
  const { engine } = await absentServer()
  const first = await startWorker(settings, engine)
  send('u-40', 'run-1')
  await first.log.until('job.given_back')
  const second = await startWorker(settings, engine)
  await second.log.until(UNREACHABLE)
  await cancel('u-40')
  await second.log.until('job.cancelled')
  expect(second.log.named('job.given_back')).toEqual([])
  // And no delivery of it is left.
  await startWorker(settings, echoAt(0))
  send('u-41', 'run-1')
  expect(await result('u-41')).toMatchObject({ content: 'echo: x' })
})

test('a job that is kept fails when its life is over', async () => {
  const { settings, channel, result } = await workerScene()
  const { engine } = await absentServer()
  // The one that gets it first gives it back, the other one keeps it.
  for (let count = 0; count < 2; count += 1) await startWorker(settings, engine)
  const prompt = { job_id: 'u-50', meta: {}, messages: [{ role: 'user', content: 'x' }] }
  const task = { id: 'u-50', kwargs: { prompt, prompt_type: 'chat_completion' } }
  const properties = { correlationId: 'run-1', expiration: '5000' }
  channel.sendToQueue(settings.QUEUE_NAME, Buffer.from(JSON.stringify(task)), properties)
  expect(await result('u-50')).toMatchObject({
    error: {
      type: 'upstream_unreachable',
      message: 'no answer from the upstream (ECONNREFUSED)',
    },
  })
})

test('an outage uses up one delivery of a quorum queue, however many workers are without a server', async () => {
  const scene = await workerScene()
  const quorum = {
    QUEUE_TYPE: 'quorum',
    DELIVERY_LIMIT: '2',
    QUEUE_NAME: `${scene.settings.QUEUE_NAME}-q`,
  }
  const settings = { ...scene.settings, ...quorum }
  const { engine, open } = await absentServer()
  const workers = [await startWorker(settings, engine)]
  const prompt = { job_id: 'u-60', meta: {}, messages: [{ role: 'user', content: 'x' }] }
  const task = Buffer.from(JSON.stringify({ id: 'u-60', kwargs: { prompt } }))
  scene.channel.sendToQueue(quorum.QUEUE_NAME, task, { correlationId: 'run-1' })
  await workers[0]?.log.until('job.given_back')
  for (let count = 0; count < 2; count += 1) workers.push(await startWorker(settings, engine))
  await workers[1]?.log.until(UNREACHABLE)
  await open()
  expect(await scene.result('u-60')).toMatchObject({ content: 'Hello' })
  const givenBack = workers.flatMap(({ log }) => log.named('job.given_back'))
  expect(givenBack).toHaveLength(1)
})

test('a stop gives a job that is kept to another worker', async () => {
  const { settings, send, result } = await workerScene()
  const { engine } = await absentServer()
  const first = await startWorker(settings, engine)
  send('u-70', 'run-1')
  await first.log.until('job.given_back')
  const second = await startWorker(settings, engine)
  await second.log.until(UNREACHABLE)
  // Long before this grace is over.
  await second.worker.close(60_000)
  await startWorker(settings, echoAt(0))
  expect(await result('u-70')).toMatchObject({ content: 'echo: x' })
})

test('a server that is there and breaks off fails the job, and the worker takes the next one', async () => {
  const { settings, send, result } = await workerScene()
  const { url } = await upstream((response, { method, body }) => {
    const isBad = JSON.stringify(body).includes('bad')
    if (method === 'POST' && isBad) response.socket?.resetAndDestroy()
    else response.end(HELLO.join(''))
  })
  const { log } = await startWorker(settings, openaiEngine({ url }))
  send('u-80', 'run-1', 'bad')
  send('u-81', 'run-1', 'good')
  expect(await result('u-80')).toMatchObject({ error: { type: 'upstream_unreachable' } })
  expect(await result('u-81')).toMatchObject({ content: 'Hello' })
  expect(log.named(UNREACHABLE)).toEqual([])
})

import { connect, createServer } from 'node:net'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { connectRabbitmq } from '../../src/rabbitmq/connect.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { LinkProxy } from '../support/proxy.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import type { AddressInfo } from 'node:net'

test('a client that leaves in the middle of its body is no fault of ours', async () => {
  const gateway = await startGateway(freshSettings())
  const { port, hostname } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.write(
    'POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    () => setImmediate(() => socket.destroy()),
  )
  const posted = await eventually('it is logged', () =>
    gateway.log.named('http.request').find(({ method }) => method === 'POST'),
  )
  expect(posted).toMatchObject({ status: 499, route: '/generate' })
  expect(gateway.log.named('http.internal_error')).toEqual([])
})

test('a stop takes in no request that was waiting for a link', async () => {
  const settings = { ...freshSettings(), TIMEOUT: '20' }
  const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
  onTestFinished(() => proxy.close())
  const gateway = await startGateway({ ...settings, RABBIT_MQ_URL: await proxy.open() })
  const port = Number(new URL(proxy.url).port)
  await proxy.close()
  await gateway.log.until('broker.disconnected')
  const waiting = generate(gateway.url, 'j-1', 'x')
  await eventually('it is pending', () => gateway.load().pending === 1)
  const started = performance.now()
  const closed = gateway.close(1)
  // The link comes back after those who wait for an outcome have been told.
  await gateway.log.until('broker.connect_failed')
  await proxy.open(port)
  expect((await waiting).body).toMatchObject({ status: 503, code: 'draining' })
  await closed
  expect(performance.now() - started).toBeLessThan(8_000)
})

describe('the login of the broker', () => {
  test('may hold any character', async () => {
    const heard = new Promise<string>((resolve) => {
      const server = createServer((socket) => {
        // Connection.Start with PLAIN, as AMQP 0-9-1 has it in section 1.4.2.1.
        socket.once('data', () => socket.write(CONNECTION_START))
        socket.once('data', () => {
          socket.on('data', (answer) => resolve(answer.toString()))
        })
        socket.on('error', () => {})
      })
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        const login = ['äдмин', 'п@роль'].map(encodeURIComponent).join(':')
        const url = `amqp://${login}@127.0.0.1:${port}`
        const options = { url, name: 'test', setup: async () => {}, log: createLog('silent') }
        void connectRabbitmq(options).then((model) => {
          onTestFinished(async () => {
            await model.close()
            server.close()
          })
        })
      })
    })
    expect(await heard).toContain('\0äдмин\0п@роль')
  })
})

const longString = (text: string): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, Buffer.from(text)])
}
const method = Buffer.concat([
  Buffer.from([0, 10, 0, 10, 0, 9]),
  longString(''),
  longString('PLAIN'),
  longString('en_US'),
])
const header = Buffer.from([1, 0, 0, 0, 0, 0, 0])
header.writeUInt32BE(method.length, 3)
const CONNECTION_START = Buffer.concat([header, method, Buffer.from([0xce])])

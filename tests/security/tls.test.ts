import { afterAll, describe, expect, test } from 'vitest'
import { freePort } from '../../dev/services/port.ts'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { startGatewayProgram, startProgram, startWorkerProgram } from '../support/program.ts'
import { freshSettings } from '../support/scene.ts'
import { ownRedis, rabbitmqOfFile } from '../support/servers.ts'
import { Authority } from './support/certificates.ts'
import type { Settings } from '../support/scene.ts'
import type { Certificate } from './support/certificates.ts'

const authority = new Authority()
afterAll(() => authority.remove())
const ofServer = authority.sign('server', 'DNS:localhost', 'IP:127.0.0.1')

const ports = { rabbitmq: 0 }
rabbitmqOfFile(undefined, async () => {
  ports.rabbitmq = await freePort()
  return [
    `listeners.ssl.1 = 127.0.0.1:${ports.rabbitmq}`,
    `ssl_options.cacertfile = ${authority.cert}`,
    `ssl_options.certfile = ${ofServer.cert}`,
    `ssl_options.keyfile = ${ofServer.key}`,
    'ssl_options.verify = verify_none',
    'ssl_options.fail_if_no_peer_cert = false',
  ]
})

/** A Redis with TLS beside its plain port; its address has no host yet. */
async function redisWithTls({ cert, key }: Certificate): Promise<number> {
  const redis = await ownRedis()
  const port = await freePort()
  const settings = {
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-ca-cert-file': authority.cert,
    'tls-auth-clients': 'no',
    'tls-port': String(port),
  }
  await redis.control('config', 'set', ...Object.entries(settings).flat())
  return port
}

const settingsFor = (host: string, redisPort: number): Settings => ({
  ...freshSettings(),
  RABBIT_MQ_URL: `amqps://guest:guest@${host}:${ports.rabbitmq}`,
  REDIS_URL: `rediss://${host}:${redisPort}/0?ssl_cert_reqs=required`,
  LOG_LEVEL: 'debug',
})

const readiness = async (url: string): Promise<string> => (await fetch(`${url}/readyz`)).text()

describe('servers whose certificates a private authority has signed', () => {
  test.each(['localhost', '127.0.0.1'])(
    'run jobs by the name %s where it is trusted',
    async (host) => {
      const settings = settingsFor(host, await redisWithTls(ofServer))
      const trusting = { ...settings, NODE_EXTRA_CA_CERTS: authority.cert }
      const gateway = await startGatewayProgram(trusting)
      await startWorkerProgram(trusting)
      expect((await generate(gateway.url, 'tls-1', 'Hello')).body).toEqual({
        content: 'echo: Hello',
      })
    },
  )

  test('are not used where it is not, and the fault of the certificate is said', async () => {
    const settings = settingsFor('localhost', await redisWithTls(ofServer))
    const gateway = startProgram('src/main.ts', settings)
    const worker = startProgram('worker-stub/main.ts', settings)
    const { url } = await gateway.log.until('gateway.listening')
    for (const { log } of [gateway, worker]) {
      const failed = [
        await log.until('redis.connect_failed'),
        await log.until('broker.connect_failed'),
      ]
      for (const { error } of failed)
        expect(error).toMatch(/self-signed certificate in certificate chain/)
    }
    expect(await readiness(String(url))).toContain('self-signed certificate')
    const refused = await generate(String(url), 'tls-2', 'x')
    expect(refused.status).toBe(503)
  })

  test('are not used by a name that is not in the certificate', async () => {
    const other = authority.sign('other', 'DNS:elsewhere.example')
    const settings = settingsFor('localhost', await redisWithTls(other))
    const gateway = startProgram('src/main.ts', {
      ...settings,
      NODE_EXTRA_CA_CERTS: authority.cert,
    })
    const { error } = await gateway.log.until('redis.connect_failed')
    expect(error).toMatch(/does not match certificate's altnames/)
    await gateway.log.until('broker.connected')
    const { url } = await gateway.log.until('gateway.listening')
    await eventually('it is not ready, and says why', async () =>
      (await readiness(String(url))).includes('altnames'),
    )
  })
})

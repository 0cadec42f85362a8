import { randomBytes } from 'node:crypto'
import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { LinkProxy } from '../support/proxy.ts'
import { problemsOf } from '../support/readiness.ts'
import {
  freshSettings,
  isReady,
  startGateway,
  startPlainWorker,
  testRedis,
} from '../support/scene.ts'
import { ownRedis } from '../support/servers.ts'
import { startWorker } from '../support/worker-stub.ts'
import type { TestRedis } from '../support/scene.ts'

const within = (ms: number) => async (label: string, look: () => Promise<boolean>) => {
  await eventually(label, look, ms)
}
/** What a fault or its end may take until it is seen. */
const soon = within(4_000)

/** The gateway by a login of its own, so that a test can take rights from it. */
async function scene() {
  const server = await ownRedis()
  const admin = await testRedis(server.url)
  await admin.sendCommand(['ACL', 'SETUSER', 'gateway', 'on', '>pw', '~*', '&*', '+@all'])
  const settings = { ...freshSettings(), REDIS_URL: server.url }
  const url = server.url.replace('redis://', 'redis://gateway:pw@')
  const gateway = await startGateway({ ...settings, REDIS_URL: url })
  await startPlainWorker(settings, ({ content }) => content)
  return { admin, gateway, settings }
}

const ofAcl =
  (...rules: string[]) =>
  async (admin: TestRedis): Promise<void> => {
    await admin.sendCommand(['ACL', 'SETUSER', 'gateway', ...rules])
  }
const configured = (name: string, value: string) => async (admin: TestRedis) => {
  await admin.configSet(name, value)
}
const dumpOf = async (admin: TestRedis): Promise<string> =>
  join((await admin.configGet('dir')).dir as string, 'dump.rdb')

/** A directory in the place of the dump makes each save fail. */
async function failToSave(admin: TestRedis): Promise<void> {
  mkdirSync(await dumpOf(admin))
  await admin.configSet('save', '3600 1')
  await admin.bgSave()
}
async function save(admin: TestRedis): Promise<void> {
  rmdirSync(await dumpOf(admin))
  await eventually('a save under way has ended', () =>
    admin.bgSave().then(
      () => true,
      () => false,
    ),
  )
}

describe('a Redis that refuses', () => {
  test.each([
    [
      'for want of replicas',
      'NOREPLICAS',
      configured('min-replicas-to-write', '1'),
      configured('min-replicas-to-write', '0'),
    ],
    ['for want of memory', 'OOM', configured('maxmemory', '1'), configured('maxmemory', '0')],
    ['because it cannot save', 'MISCONF', failToSave, save],
  ])(
    '%s says so in /readyz, and is used again as soon as that ends',
    async (_, code, begin, end) => {
      const { admin, gateway } = await scene()
      await begin(admin)
      await soon('it is not ready', async () => {
        await generate(gateway.url, 'r-1', 'x')
        return (await problemsOf(gateway.url)).includes(code)
      })
      const { status, headers, body } = await generate(gateway.url, 'r-2', 'x')
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'results_down', '1'])
      expect(JSON.stringify(gateway.log.named('request.refused'))).toContain(code)
      await end(admin)
      await soon('it is ready', () => isReady(gateway.url))
      expect((await generate(gateway.url, 'r-2', 'x')).body).toEqual({ content: 'x' })
    },
  )

  test.each([
    ['to write', '-set', '+set'],
    ['to run scripts', '-evalsha', '+evalsha'],
    ['to read', '-getrange', '+getrange'],
  ])(
    'the gateway the right %s: 503 without retry-after, until it is granted',
    async (_, deny, grant) => {
      const { admin, gateway } = await scene()
      await ofAcl(deny)(admin)
      await soon('it is not ready', async () => {
        await generate(gateway.url, `r-${deny}`, 'x', { signal: AbortSignal.timeout(500) }).catch(
          () => {},
        )
        return (await problemsOf(gateway.url)).includes('NOPERM')
      })
      const { status, headers, body } = await generate(gateway.url, 'r-4', 'x')
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'results_down', null])
      expect(body.detail).toContain('NOPERM')
      await ofAcl(grant)(admin)
      await soon('it is ready', () => isReady(gateway.url))
      expect((await generate(gateway.url, 'r-4', 'x')).body).toEqual({ content: 'x' })
    },
  )

  test('the subscription to a result: /readyz says so, until it is granted', async () => {
    const { admin, gateway, settings } = await scene()
    const ours = `${settings.REDIS_PREFIX}:@`
    await ofAcl('resetchannels', `&__keyspace@0__:${ours}*`, `&${ours}*`)(admin)
    await soon('it is connected again', () => isReady(gateway.url))
    const { status, headers, body } = await generate(gateway.url, 'r-5', 'x')
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'results_down', null])
    await soon('it is not ready', async () => (await problemsOf(gateway.url)).includes('NOPERM'))
    await ofAcl('&*')(admin)
    await soon('it is ready', () => isReady(gateway.url))
    expect((await generate(gateway.url, 'r-5', 'x')).body).toEqual({ content: 'x' })
  })

  test('the password: 503 without retry-after, and the log names server and login', async () => {
    const { admin, gateway } = await scene()
    await ofAcl('resetpass', '>other')(admin)
    await admin.sendCommand(['CLIENT', 'KILL', 'USER', 'gateway'])
    await soon('it is not ready', async () => (await problemsOf(gateway.url)).includes('WRONGPASS'))
    const refused = await eventually('it is refused', async () => {
      const reply = await generate(gateway.url, 'r-6', 'x')
      return reply.status === 503 && reply
    })
    expect(refused.headers.get('retry-after')).toBeNull()
    const [line] = gateway.log.named('redis.connect_failed')
    expect(line).toMatchObject({ user: 'gateway', server: expect.stringContaining('127.0.0.1:') })
    expect(JSON.stringify(gateway.log.all)).not.toContain('gateway:pw')
    await ofAcl('resetpass', '>pw')(admin)
    await soon('it is ready', () => isReady(gateway.url))
  })
})

test('a Redis that is still loading says so in /readyz, and is used as soon as it has loaded', async () => {
  // Answers between two keys, too.
  const often = ['--loading-process-events-interval-bytes', '1024'] as const
  const server = await ownRedis('--enable-debug-command', 'yes', ...often)
  const admin = await testRedis(server.url)
  const settings = { ...freshSettings(), REDIS_URL: server.url }
  await admin.mSet(
    Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [
        `k-${index}`,
        randomBytes(2_000).toString('latin1'),
      ]),
    ),
  )
  const gateway = await startGateway(settings)
  await admin.configSet('key-load-delay', '100000')
  // Loads what it has just saved, at 100 ms a key.
  const reloaded = admin.sendCommand(['DEBUG', 'RELOAD'])
  await soon('it is not ready', async () => (await problemsOf(gateway.url)).includes('LOADING'))
  expect((await generate(gateway.url, 'l-1', 'x')).headers.get('retry-after')).toBe('1')
  await reloaded
  await soon('it is ready', () => isReady(gateway.url))
})

describe('a Redis in cluster mode', () => {
  test('is not served: /readyz says so, and a job is a 503 without retry-after', async () => {
    const server = await ownRedis('--cluster-enabled', 'yes')
    await server.control('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    const settings = { ...freshSettings(), REDIS_URL: server.url }
    const gateway = await startGateway(settings, { untilReady: false })
    await soon('it is not ready', async () =>
      (await problemsOf(gateway.url)).includes('cluster mode'),
    )
    const { status, headers, body } = await generate(gateway.url, 'c-1', 'x')
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'results_down', null])
    expect(body.detail).toContain('cluster mode')
  })
})

/** Two servers, the second a replica of the first, and a proxy that leads to the first. */
async function pairOfServers() {
  const atOnce = ['--repl-diskless-sync-delay', '0'] as const
  const [first, second] = await Promise.all([ownRedis(...atOnce), ownRedis(...atOnce)])
  const admins = await Promise.all([testRedis(first.url), testRedis(second.url)])
  const portOf = (url: string): string => new URL(url).port
  await admins[1].sendCommand(['REPLICAOF', '127.0.0.1', portOf(first.url)])
  await eventually('it replicates', async () =>
    (await admins[1].info('replication')).includes('master_link_status:up'),
  )
  const proxy = new LinkProxy(first.url)
  onTestFinished(() => proxy.close())
  await proxy.open()
  /** The second becomes the primary. New connections lead to it, old ones stay as they are. */
  const failOver = async (): Promise<void> => {
    await admins[1].sendCommand(['REPLICAOF', 'NO', 'ONE'])
    await admins[0].sendCommand(['REPLICAOF', '127.0.0.1', portOf(second.url)])
    proxy.leadTo(second.url)
  }
  return { proxy, failOver, first, second, admins }
}

describe('a primary that became a replica', () => {
  test('is left by gateway and worker, which find the new primary within seconds', async () => {
    const { proxy, failOver } = await pairOfServers()
    const settings = { ...freshSettings(), REDIS_URL: proxy.url }
    const gateway = await startGateway(settings)
    const { log } = await startWorker(settings)
    expect((await generate(gateway.url, 'd-1', 'x')).body).toEqual({ content: 'echo: x' })
    await failOver()
    await within(5_000)('a job is answered', async () => {
      return (await generate(gateway.url, 'd-2', 'x')).status === 200
    })
    await soon('it is ready', () => isReady(gateway.url))
    for (const lines of [gateway.log, log]) {
      const renewed = lines.named('redis.renewed')
      expect(JSON.stringify(renewed)).toContain('READONLY')
      expect(renewed.map(({ role }) => role)).toContain('subscriber')
    }
  })

  test('is found out without any request', async () => {
    const { proxy, failOver, admins } = await pairOfServers()
    const gateway = await startGateway({ ...freshSettings(), REDIS_URL: proxy.url })
    await failOver()
    await eventually(
      'the gateway is at the new primary',
      async () => (await admins[1].clientList()).some(({ name }) => name === 'protollm-data'),
      6_000,
    )
    await soon('it is ready', () => isReady(gateway.url))
  })

  test('and is the only server there is: /readyz says READONLY until it is a primary again', async () => {
    const { first, second, admins } = await pairOfServers()
    const gateway = await startGateway({ ...freshSettings(), REDIS_URL: first.url })
    await admins[0].sendCommand(['REPLICAOF', '127.0.0.1', new URL(second.url).port])
    await soon('it is not ready', async () => {
      await generate(gateway.url, 'd-3', 'x')
      return (await problemsOf(gateway.url)).includes('READONLY')
    })
    expect((await generate(gateway.url, 'd-4', 'x')).headers.get('retry-after')).toBe('1')
    const connections = Number(
      (await admins[0].info('stats')).match(/connections_received:(\d+)/)?.[1],
    )
    await eventually('it tries again', async () => {
      const now = (await admins[0].info('stats')).match(/connections_received:(\d+)/)?.[1]
      return Number(now) > connections
    })
    await admins[0].sendCommand(['REPLICAOF', 'NO', 'ONE'])
    await soon('it is ready', () => isReady(gateway.url))
  })
})

import { spawnSync } from 'node:child_process'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { programOf } from '../support/bundle.ts'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { startGatewayProgram, startProgram } from '../support/program.ts'
import { LinkProxy } from '../support/proxy.ts'
import { freshSettings, isReady, startPlainWorker } from '../support/scene.ts'

describe('the gateway process', () => {
  test.each([
    ['RabbitMQ', 'RABBIT_MQ_URL', 'broker', 'broker_down'],
    ['Redis', 'REDIS_URL', 'redis', 'results_down'],
  ] as const)(
    '%s not there at the start: it listens, refuses at once, names the part, and becomes ready by itself',
    async (_, variable, part, code) => {
      const settings = freshSettings()
      const proxy = new LinkProxy(inject('services')[variable])
      onTestFinished(() => proxy.close())
      const url = await proxy.open()
      await proxy.close()
      const program = startProgram('src/main.ts', { ...settings, [variable]: url })
      const { url: base } = (await program.log.until('gateway.listening')) as unknown as {
        url: string
      }

      expect((await fetch(`${base}/livez`)).status).toBe(200)
      const ready = await fetch(`${base}/readyz`)
      expect(ready.status).toBe(503)
      const { parts } = (await ready.json()) as { parts: { name: string; ready: boolean }[] }
      expect(parts.find(({ name }) => name === part)).toMatchObject({
        ready: false,
        detail: expect.stringContaining('ECONNREFUSED'),
      })
      const started = performance.now()
      expect((await generate(base, 'g-1', 'x')).body).toMatchObject({ status: 503, code })
      expect(performance.now() - started).toBeLessThan(1_000)

      await proxy.open(Number(new URL(url).port))
      await eventually('it is ready', () => isReady(base))
      await startPlainWorker(settings, ({ content }) => content)
      expect((await generate(base, 'g-1', 'x')).body).toEqual({ content: 'x' })
    },
  )

  test('with bad settings it names them all and ends with 78', async () => {
    const { PATH } = process.env
    const args = [programOf('src/main.ts')]
    const env = { PATH, API_PORT: 'x', TIMEOUT: '-1' }
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' })
    expect(stderr).toContain('API_PORT')
    expect(stderr).toContain('TIMEOUT')
  })

  test('on a port that is taken it says so and ends with 1', async () => {
    const settings = freshSettings()
    const first = await startGatewayProgram(settings)
    const second = startProgram('src/main.ts', { ...settings, API_PORT: new URL(first.url).port })
    const failed = await second.log.until('gateway.start_failed')
    const { port, hostname } = new URL(first.url)
    expect(failed.error).toBe(`port ${port} of ${hostname} is already in use`)
    expect(await second.ended).toBe(1)
  })

  test('on a host that is none of this machine it names the setting and not the host', async () => {
    const gateway = startProgram('src/main.ts', { ...freshSettings(), API_HOST: '192.0.2.77' })
    const failed = await gateway.log.until('gateway.start_failed')
    expect(failed.error).toBe('API_HOST and API_PORT are no address to listen on: EADDRNOTAVAIL')
    expect(await gateway.ended).toBe(1)
  })

  test('SIGTERM lets pending requests finish and ends with 0', async () => {
    const settings = { ...freshSettings(), STOP_GRACE_S: '10' }
    const gateway = await startGatewayProgram(settings)
    const pending = generate(gateway.url, 'g-2', 'x')
    const worker = await startPlainWorker(settings, async ({ content }) => {
      await gateway.log.until('program.stopping')
      return content
    })
    await eventually('it is with the worker', () => worker.tasks.length === 1)
    const ended = gateway.end('SIGTERM')
    expect((await pending).body).toEqual({ content: 'x' })
    expect(await ended).toBe(0)
  })

  test('SIGTERM answers each request that still waits after the grace that its job keeps running', async () => {
    const settings = { ...freshSettings(), STOP_GRACE_S: '0.3' }
    const gateway = await startGatewayProgram(settings)
    const worker = await startPlainWorker(settings, () => undefined)
    const pending = generate(gateway.url, 'g-3', 'x')
    await eventually('it is with the worker', () => worker.tasks.length === 1)
    const ended = gateway.end('SIGTERM')
    expect((await pending).body).toMatchObject({ status: 503, code: 'interrupted', job_id: 'g-3' })
    expect(await ended).toBe(0)
  })

  test('a second signal ends it at once, without waiting for anybody', async () => {
    const settings = { ...freshSettings(), STOP_GRACE_S: '60', TIMEOUT: '60' }
    const gateway = await startGatewayProgram(settings)
    const worker = await startPlainWorker(settings, () => undefined)
    const pending = generate(gateway.url, 'g-4', 'x').catch(() => 'cut off')
    await eventually('it is with the worker', () => worker.tasks.length === 1)
    process.kill(gateway.pid, 'SIGTERM')
    await gateway.log.until('program.stopping')
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503)
    const refused = await generate(gateway.url, 'g-5', 'x')
    expect(refused.body).toMatchObject({ status: 503, code: 'draining' })
    expect(refused.headers.get('connection')).toBe('close')
    // One Ctrl-C may come twice within half a second; this one is another.
    await eventually('it listens no more', () =>
      fetch(`${gateway.url}/livez`).then(
        () => false,
        () => true,
      ),
    )
    process.kill(gateway.pid, 'SIGTERM')
    expect(await gateway.ended).toBe(1)
    expect(await pending).toBe('cut off')
  })
})

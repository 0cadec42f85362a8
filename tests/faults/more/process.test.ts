import { spawn, spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { freePort } from '../../../dev/services/port.ts'
import { programOf } from '../../support/bundle.ts'
import { eventually } from '../../support/eventually.ts'
import { generate } from '../../support/http-client.ts'
import { metricsOf } from '../../support/metrics.ts'
import { LinkProxy } from '../../support/proxy.ts'
import { startGatewayProgram } from '../../support/program.ts'
import { freshSettings, isReady, startGateway, startPlainWorker } from '../../support/scene.ts'
import { NO_HARM, startFaultScene } from '../support/fault-scene.ts'
import type { Socket } from 'node:net'

afterEach(() => {
  vi.useRealTimers()
})

describe('F25 a rolling restart of all replicas under load', () => {
  test('loses nothing, and no client that tries again notices', async () => {
    const ports = [String(await freePort()), String(await freePort())]
    const scene = await startFaultScene({
      settings: { TIMEOUT: '20', STOP_GRACE_S: '5' },
      gateways: ports.map((API_PORT) => ({ API_PORT })),
      retries: true,
      workMs: 200,
    })
    for (const index of [0, 1, 0, 1]) {
      expect(await scene.gateways[index]?.end('SIGTERM')).toBe(0)
      const settings = { ...scene.settings, API_PORT: ports[index] as string }
      scene.gateways[index] = await startGatewayProgram(settings)
    }
    const counts = await scene.settle()
    expect(counts).toMatchObject({ ...NO_HARM, answered: counts.sent })
    // Told to go elsewhere, not cut off.
    expect(counts.codes.broken ?? 0).toBe(0)
  }, 120_000)
})

describe('F26 a clock that jumps', () => {
  // The clock of this process. Deadlines of claims are by the clock of Redis, which cannot be set here.
  test.each([3_600_000, -3_600_000])('by %d ms ends no wait and no job early', async (ms) => {
    const settings = { ...freshSettings(), TIMEOUT: '6' }
    const gateway = await startGateway(settings)
    const worker = await startPlainWorker(settings, async ({ content }) => {
      await delay(3_000)
      return content
    })
    const asked = generate(gateway.url, 'jump', 'x')
    await eventually('it is with the worker', () => worker.tasks.length === 1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
    expect((await asked).body).toEqual({ content: 'x' })
    expect((await generate(gateway.url, 'after', 'y')).body).toEqual({ content: 'y' })
  })
})

describe('F27 a process in need', () => {
  test('out of file descriptors it refuses connections, ends nothing, and serves again when it has some', async () => {
    const settings = freshSettings()
    const gateway = await startGatewayProgram(settings)
    let isOver = false
    const worker = await startPlainWorker(settings, async ({ id, content }) => {
      if (id === 'held') await eventually('the need is over', () => isOver)
      return content
    })
    expect((await generate(gateway.url, 'before', 'x')).status).toBe(200)
    const limit = spawnSync('prlimit', ['--pid', String(gateway.pid), '--nofile=48:48'])
    expect(limit.status).toBe(0)
    const held = generate(gateway.url, 'held', 'x')
    await eventually('it is with the worker', () => worker.tasks.length === 2)
    const sockets: Socket[] = []
    let refused = 0
    for (let count = 0; count < 100; count += 1) {
      const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
      socket.on('error', () => {})
      socket.on('close', () => (refused += 1))
      sockets.push(socket)
    }
    await eventually('connections are refused', () => refused > 0)
    isOver = true
    expect((await held).body).toEqual({ content: 'x' })
    for (const socket of sockets) socket.destroy()
    await eventually('it serves again', async () => {
      return (await generate(gateway.url, 'after', 'x')).status === 200
    })
  })

  test('with nowhere to log it keeps running', async () => {
    const settings = { ...freshSettings(), API_PORT: String(await freePort()) }
    await startPlainWorker(settings, ({ content }) => content)
    const full = openSync('/dev/full', 'w')
    const env = { PATH: process.env.PATH, ...settings }
    const args = [programOf('src/main.ts')]
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', full, full] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const url = `http://127.0.0.1:${settings.API_PORT}`
    await eventually('it is ready', () => isReady(url))
    for (const id of ['one', 'two', 'three']) {
      expect((await generate(url, id, 'x')).status).toBe(200)
    }
    expect(child.exitCode).toBeNull()
  })

  test('stalled for 5 s under load it loses nothing', async () => {
    const scene = await startFaultScene({ settings: { TIMEOUT: '20' } })
    const pid = scene.gateways[0]?.pid as number
    process.kill(-pid, 'SIGSTOP')
    await delay(5_000)
    process.kill(-pid, 'SIGCONT')
    await delay(3_000)
    const counts = await scene.settle()
    expect(counts).toMatchObject({ ...NO_HARM, unknown: 0 })
  }, 60_000)
})

test('I7 the memory of a gateway is what it was, after a minute of load with its links cut', async () => {
  const links = [
    new LinkProxy(inject('services').RABBIT_MQ_URL),
    new LinkProxy(inject('services').REDIS_URL),
  ] as const
  const [RABBIT_MQ_URL, REDIS_URL] = await Promise.all([links[0].open(), links[1].open()])
  onTestFinished(async () => {
    await Promise.all(links.map((link) => link.close()))
  })
  const scene = await startFaultScene({
    settings: { TIMEOUT: '20' },
    gateways: [{ RABBIT_MQ_URL, REDIS_URL }],
    ratePerS: 200,
  })
  const url = scene.gateways[0]?.url as string
  const rss = async () => (await metricsOf(url)).process_resident_memory_bytes ?? 0
  await delay(20_000)
  const before = await rss()
  for (let cuts = 0; cuts < 60; cuts += 1) {
    await delay(1_000)
    links[cuts % 2]?.cut()
  }
  await delay(10_000)
  const after = await rss()
  expect(await scene.settle()).toMatchObject(NO_HARM)
  expect(after).toBeLessThan(before * 1.2)
}, 180_000)

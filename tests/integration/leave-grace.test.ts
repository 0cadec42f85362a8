import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, generate, leavable, leaveAfter } from '../support/http-client.ts'
import { startGatewayProgram } from '../support/program.ts'
import { startGateway, startPlainWorker, testScene } from '../support/scene.ts'
import type { TestGateway } from '../support/scene.ts'

async function scene(graceS: number) {
  const parts = await testScene({ LEAVE_GRACE_S: String(graceS), TIMEOUT: '20' })
  const gateway = await startGateway(parts.settings)
  return { ...parts, gateway }
}

/** A client asks for the job and leaves as soon as the worker has it. */
async function askAndLeave(gateway: { readonly url: string }, id: string, isTaken: () => boolean) {
  const { leave, left } = leavable(gateway.url, id)
  await eventually('the worker has it', isTaken)
  leave()
  await left
}

const held = (gateway: TestGateway): number => gateway.load().pending

describe('a client that leaves a job whose id it chose', () => {
  test('gets its answer although each of its tries is too short for it', async () => {
    const { settings, gateway } = await scene(5)
    const worker = await startPlainWorker(settings, () => delay(1_500, 'in the end'))
    expect(await leaveAfter(gateway.url, 'g-1', 600)).toBe('left')
    expect(await leaveAfter(gateway.url, 'g-1', 600)).toBe('left')
    expect((await generate(gateway.url, 'g-1', 'x')).body).toEqual({ content: 'in the end' })
    expect(worker.tasks).toHaveLength(1)
    await eventually('nothing is left here', () => gateway.load().subscriptions === 1)
  })

  test('and does not come back: it is cancelled when the grace is over, and not before', async () => {
    const { settings, gateway, claim } = await scene(1)
    const worker = await startPlainWorker(settings, () => undefined)
    const started = performance.now()
    await askAndLeave(gateway, 'g-2', () => worker.tasks.length === 1)
    await eventually('no request is held', () => held(gateway) === 0)
    await eventually('it is cancelled', async () => (await claim('g-2').state()) === 'cancelled')
    expect(performance.now() - started).toBeGreaterThan(1_000)
    await eventually('nothing is left here', () => gateway.load().subscriptions === 1)
  })

  test('may come back after the outcome: it is replayed', async () => {
    const { settings, gateway } = await scene(5)
    const worker = await startPlainWorker(settings, () => delay(300, 'while away'))
    await askAndLeave(gateway, 'g-3', () => worker.tasks.length === 1)
    await eventually('the outcome was read', () => gateway.load().subscriptions === 1)
    const again = await generate(gateway.url, 'g-3', 'x')
    expect(again.body).toEqual({ content: 'while away' })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(worker.tasks).toHaveLength(1)
  })

  test('may come back to another replica, and its job runs on when the grace is over', async () => {
    const { settings, gateway, claim } = await scene(0.5)
    const other = await startGateway(settings)
    const worker = await startPlainWorker(settings, () => delay(1_500, 'elsewhere'))
    await askAndLeave(gateway, 'g-4', () => worker.tasks.length === 1)
    const again = generate(other.url, 'g-4', 'x')
    await eventually('the grace is over', () => gateway.load().subscriptions === 1)
    expect(await claim('g-4').state()).not.toBe('cancelled')
    expect((await again).body).toEqual({ content: 'elsewhere' })
    expect(worker.tasks).toHaveLength(1)
  })

  test('may come back to another replica when the first one was killed in the grace', async () => {
    const { settings, claim } = await scene(5)
    const [killed, other] = [await startGatewayProgram(settings), await startGateway(settings)]
    const worker = await startPlainWorker(settings, () => delay(1_000, 'elsewhere'))
    await askAndLeave(killed, 'g-5', () => worker.tasks.length === 1)
    await killed.end('SIGKILL')
    expect((await generate(other.url, 'g-5', 'x')).body).toEqual({ content: 'elsewhere' })
    expect(worker.tasks).toHaveLength(1)
    expect(await claim('g-5').run()).toBe(worker.tasks[0]?.run)
  })

  test('of a stopping gateway: it is cancelled at once', async () => {
    const { settings, gateway, claim } = await scene(60)
    const worker = await startPlainWorker(settings, () => undefined)
    await askAndLeave(gateway, 'g-6', () => worker.tasks.length === 1)
    await eventually('no request is held', () => held(gateway) === 0)
    await gateway.close(1_000)
    expect(await claim('g-6').state()).toBe('cancelled')
  })

  test('and asks for something else by it: the first run is cancelled at once', async () => {
    const { settings, gateway } = await scene(60)
    const worker = await startPlainWorker(settings, ({ content }) =>
      content === 'x' ? undefined : 'of the other',
    )
    await askAndLeave(gateway, 'g-7', () => worker.tasks.length === 1)
    await eventually('no request is held', () => held(gateway) === 0)
    expect((await generate(gateway.url, 'g-7', 'other')).body).toEqual({ content: 'of the other' })
    expect(worker.tasks).toHaveLength(2)
  })

  test('can still have it cancelled', async () => {
    const { settings, gateway, claim } = await scene(60)
    const worker = await startPlainWorker(settings, () => undefined)
    await askAndLeave(gateway, 'g-8', () => worker.tasks.length === 1)
    expect((await ask(`${gateway.url}/jobs/g-8`, 'DELETE')).body.status).toBe('cancelled')
    await eventually('nothing is left here', () => gateway.load().subscriptions === 1)
    expect(await claim('g-8').state()).toBe('cancelled')
  })
})

describe('a process that was killed while clients waited in it', () => {
  test('does not keep the job from being cancelled for ever', async () => {
    const { settings, claim, gateway } = await scene(0)
    const killed = await startGatewayProgram(settings)
    const worker = await startPlainWorker(settings, () => undefined)
    const lost = leavable(killed.url, 'g-9')
    await eventually('the worker has it', () => worker.tasks.length === 1)
    const there = leavable(gateway.url, 'g-9')
    await eventually(
      'both are askers',
      async () => Object.keys(await claim('g-9').askers()).length === 2,
    )
    await killed.end('SIGKILL')
    await lost.left
    await claim('g-9').loseAskers(1)
    there.leave()
    await there.left
    await eventually('it is cancelled', async () => (await claim('g-9').state()) === 'cancelled')
  })

  test('a job that a client was promised runs on, although no process renews that', async () => {
    const { settings, claim, gateway } = await scene(0)
    const worker = await startPlainWorker(settings, () => undefined)
    const wait = { prefer: 'wait=0' }
    const body = { job_id: 'g-10', meta: {}, content: 'x' }
    expect((await ask(`${gateway.url}/generate`, 'POST', body, wait)).status).toBe(202)
    await eventually('the worker has it', () => worker.tasks.length === 1)
    const { leave, left } = leavable(gateway.url, 'g-10')
    await eventually(
      'both are askers',
      async () => Object.keys(await claim('g-10').askers()).length === 2,
    )
    await claim('g-10').loseAskers(1)
    leave()
    await left
    await eventually('no request is held', () => held(gateway) === 0)
    await eventually('it was left', () => gateway.load().subscriptions === 1)
    expect(await claim('g-10').state()).toBe('published')
  })
})

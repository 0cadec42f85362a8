import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ask as request, generate, submit } from '../support/http-client.ts'
import { counted } from '../support/metrics.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { ask, askAll, tally, unique } from './support/ask.ts'
import { answersAll, failsAsTold } from './support/basics.ts'
import { answerFromCapture } from './support/captured.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { startRealWorker } from './support/worker.ts'
import type { Settings } from '../support/scene.ts'

const environment = environmentOf('celery-5')
type Pool = 'prefork' | 'solo'

/** The addresses under the names by which a Celery project knows them. */
function settingsOf(more: Settings = {}) {
  const { RABBIT_MQ_URL, REDIS_URL, ...settings } = freshSettings()
  return {
    ...settings,
    QUEUE_NAME: settings.QUEUE_NAME,
    DIALECT: 'celery-v2',
    CELERY_TASK_NAME: 'generate',
    CELERY_BROKER_URL: String(RABBIT_MQ_URL),
    CELERY_RESULT_BACKEND: String(REDIS_URL),
    ...more,
  }
}

function programOf(settings: ReturnType<typeof settingsOf>, pool: Pool, processes = 2) {
  const command = ['-m', 'celery', '-A', 'celery_app', 'worker', '-Q', settings.QUEUE_NAME]
  const options = ['-P', pool, '-c', String(processes), '-n', `${settings.QUEUE_NAME}@%h`]
  const quiet = ['--without-gossip', '--without-mingle', '-l', 'WARNING']
  return () => startRealWorker(environment, [...command, ...options, ...quiet], settings, pool)
}

async function scene(pool: Pool, more: Settings = {}, processes = 2) {
  const settings = settingsOf(more)
  const startWorker = programOf(settings, pool, processes)
  const worker = await startWorker()
  const { url } = await startGateway(settings)
  return { worker, startWorker, url }
}

/** A job behind one that keeps the worker busy, cancelled before its turn; all have ended then. */
async function cancelledInQueue({ worker, url }: Awaited<ReturnType<typeof scene>>) {
  const busy = ask(url, 'sleep:2 and keep the worker busy')
  await worker.begun('sleep:2')
  const id = randomUUID()
  const at = `${url}/jobs/${id}`
  await submit(url, { job_id: id, content: 'cancelled before its turn' })
  const cancelled = await request(at, 'DELETE')
  worker.count([await busy, await ask(url, 'after it')])
  const later = await request(at, 'GET')
  return [cancelled, later].map(({ body: { status, outcome } }) => ({ status, outcome }))
}

const CANCELLED = { status: 'cancelled', outcome: null }

test('what a Celery worker once wrote is understood', async () => {
  const { status, body } = await answerFromCapture('celery-v2', (key) => key, settingsOf())
  expect({ status, body }).toEqual({ status: 200, body: { content: 'echo: What is AI?' } })
})

const title = `Celery${whyMissing(environment)}`
describe.skipIf(isMissing(environment)).each<Pool>(['prefork', 'solo'])(`${title}, %s`, (pool) => {
  answersAll((more) => scene(pool, more))
  failsAsTold((more) => scene(pool, more), 'RuntimeError')

  test('the gateway may come first: both declare the queue alike', async () => {
    const settings = settingsOf()
    const { url } = await startGateway(settings)
    const worker = await programOf(settings, pool)()
    const asked = [await ask(url, 'anything')]
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 1 })
  })

  test('a job that raised shows the type and the message', async () => {
    const { url } = await scene(pool)
    const { body } = await submit(url, { content: 'fail: out of memory' })
    const wait = { prefer: 'wait=10' }
    const ended = await request(`${url}/jobs/${body.job_id}`, 'GET', undefined, wait)
    expect(ended.body).toMatchObject({
      status: 'failed',
      outcome: { error: { type: 'RuntimeError', message: 'out of memory' } },
    })
    expect(JSON.stringify(ended.body)).not.toContain('Traceback')
  })

  test('a killed worker with acks_late has lost nothing', async () => {
    const { worker, startWorker, url } = await scene(pool, { ACKS_LATE: 'true', TIMEOUT: '30' })
    const contents = [...unique(60), 'sleep:2 and be killed', ...unique(139)]
    const asking = askAll(url, contents, 16)
    await worker.begun('sleep:2')
    await worker.end('SIGKILL')
    const next = await startWorker()
    const asked = await asking
    next.count(asked)
    expect(tally(asked)).toEqual({ 200: 200 })
  })
})

describe.skipIf(isMissing(environment))(`${title}, with a pool`, () => {
  test('1,000 jobs are answered rightly, with at most one read of the result each', async () => {
    const { worker, url } = await scene('prefork')
    const reads = () => counted(url, 'gateway_result_reads_total')
    const before = await reads()
    const asked = await askAll(url, unique(1_000), 32)
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 1_000 })
    expect((await reads()) - before).toBeGreaterThan(0)
    expect((await reads()) - before).toBeLessThanOrEqual(1_000)
  })

  test('a killed worker has lost the job it ran, for it acknowledges early, and no other', async () => {
    const { worker, startWorker, url } = await scene('prefork', { TIMEOUT: '10' }, 1)
    const contents = [...unique(60), 'sleep:60 until killed', ...unique(139)]
    const asking = askAll(url, contents, 16)
    await worker.begun('sleep:60')
    await worker.end('SIGKILL')
    const next = await startWorker()
    const asked = await asking
    next.count(asked)
    expect(tally(asked)).toEqual({ 200: 199, '504 timed_out': 1 })
    expect(asked.find(({ outcome }) => outcome !== '200')?.content).toBe('sleep:60 until killed')
  })

  test('a task that tries again keeps its run, and is answered when it succeeds', async () => {
    const { worker, url } = await scene('prefork')
    const asked = await askAll(url, ['retry: twice', 'retry: and again twice'], 2)
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 2 })
  })

  test('a process of the pool that dies fails its job, and the worker serves on', async () => {
    const { worker, url } = await scene('prefork')
    const asked = [await ask(url, 'die: without a word'), await ask(url, 'anything else')]
    worker.count(asked)
    expect(asked.map(({ outcome }) => outcome)).toEqual(['502 worker_failed', '200'])
    expect(asked[0]?.detail).toContain('WorkerLostError: Worker exited prematurely')
  })

  test('with reject_on_worker_lost a process of the pool may die, and its job is run again', async () => {
    const { worker, url } = await scene('prefork', { ACKS_LATE: 'true', TIMEOUT: '30' })
    const asking = askAll(url, [...unique(30), 'sleep:2 and be killed', ...unique(69)], 16)
    process.kill(await worker.begun('sleep:2'), 'SIGKILL')
    const asked = await asking
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 100 })
    expect(worker.started().filter((content) => content.startsWith('sleep:2'))).toHaveLength(2)
  })

  test('a job that is cancelled in the queue never starts', async () => {
    const running = await scene('prefork', {}, 1)
    expect(await cancelledInQueue(running)).toEqual([CANCELLED, CANCELLED])
    expect(running.worker.started()).toEqual(['sleep:2 and keep the worker busy', 'after it'])
  })
})

describe.skipIf(isMissing(environment))(`${title}, an id asked for again`, () => {
  test('a job that was cancelled runs when it is asked for again, and its first run never does', async () => {
    const { worker, url } = await scene('prefork', {}, 1)
    const busy = ask(url, 'sleep:2 and keep the worker busy')
    await worker.begun('sleep:2')
    const [cancelled, left] = [randomUUID(), randomUUID()]
    await submit(url, { job_id: cancelled, content: 'never' })
    await request(`${url}/jobs/${cancelled}`, 'DELETE')
    const signal = AbortSignal.timeout(300)
    await generate(url, left, 'never', { signal }).catch(() => {})
    const asked = [await ask(url, 'again', cancelled), await ask(url, 'again', left), await busy]
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 3 })
    expect(worker.started()).toEqual(['sleep:2 and keep the worker busy', 'again', 'again'])
  })

  test('a late result of an earlier run is not taken for that of this one', async () => {
    const { worker, url } = await scene('prefork')
    const id = randomUUID()
    await submit(url, { job_id: id, content: 'sleep:1 and be late' })
    await worker.begun('sleep:1')
    await request(`${url}/jobs/${id}`, 'DELETE')
    const asked = [await ask(url, 'sleep:2 and be right', id)]
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 1 })
  })
})

describe.skipIf(isMissing(environment))(`${title}, without a pool`, () => {
  // Celery writes an acknowledgement when its loop comes round again; here it stands still for the job.
  test('a killed worker has lost nothing: what it ran was not acknowledged yet', async () => {
    const { worker, startWorker, url } = await scene('solo', { TIMEOUT: '30' })
    const asking = askAll(url, [...unique(30), 'sleep:2 and be killed', ...unique(69)], 16)
    await worker.begun('sleep:2')
    await worker.end('SIGKILL')
    const next = await startWorker()
    const asked = await asking
    next.count(asked)
    expect(tally(asked)).toEqual({ 200: 100 })
    await next.begun('sleep:2')
  })

  // For the same reason it hears of a cancel only after the job, when it has the next one in hand.
  test('a job that is cancelled in the queue stays cancelled, even if it is started', async () => {
    expect(await cancelledInQueue(await scene('solo'))).toEqual([CANCELLED, CANCELLED])
  })
})

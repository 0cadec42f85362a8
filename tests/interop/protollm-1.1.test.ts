import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { protollmV11 } from '../../src/dialects/protollm-v1-1.ts'
import { capturedJob, fixture } from '../dialects/conformance.ts'
import { ask as request, submit } from '../support/http-client.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { ask, askAll, saidOtherwise, tally, unique } from './support/ask.ts'
import { answersAll, failsAsTold } from './support/basics.ts'
import { answerFromCapture } from './support/captured.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { startRealWorker } from './support/worker.ts'
import type { Settings } from '../support/scene.ts'

const run = promisify(execFile)
const environment = environmentOf('protollm-api-1.1.5')
const MODELS = fileURLToPath(new URL('clients/protollm_models.py', import.meta.url))

function settingsOf(more: Settings = {}) {
  const settings = freshSettings()
  return {
    ...settings,
    DIALECT: 'protollm-v1.1',
    REDIS_PREFIX_FOR_STATUS: `${settings.REDIS_PREFIX}-status`,
    REDIS_PREFIX_FOR_ANSWER: `${settings.REDIS_PREFIX}-answer`,
    BASE_PRIORITY: '1',
    ...more,
  }
}

const programOf = (settings: ReturnType<typeof settingsOf>) => () =>
  startRealWorker(environment, ['-m', 'protollm_api_1_1'], settings)

async function scene(more: Settings = {}) {
  const settings = settingsOf(more)
  const startWorker = programOf(settings)
  const worker = await startWorker()
  const { url } = await startGateway(settings)
  return { worker, startWorker, url }
}

test('what a protollm 1.1 worker once wrote is understood', async () => {
  const settings = settingsOf()
  const keyOf = (key: string): string =>
    key
      .replace('job-status', settings.REDIS_PREFIX_FOR_STATUS)
      .replace('job-answer', settings.REDIS_PREFIX_FOR_ANSWER)
  const { status, body } = await answerFromCapture('protollm-v1.1', keyOf, settings)
  const content = "Test answer (your prompt) :role='user' content='What is AI?'"
  expect({ status, body }).toEqual({ status: 200, body: { content } })
})

/** What the gateway writes for this worker, and what protollm_api wrote when it was captured. */
function writtenAndCaptured(): [model: string, ours: string, captured: string][] {
  type Keys = Record<string, string>
  const captured = fixture<{ job: { body: string }; redis_after_submit: Keys }>(
    'protollm-v1.1/captured.json',
  )
  const dialect = protollmV11.create({
    REDIS_PREFIX_FOR_STATUS: 'job-status',
    REDIS_PREFIX_FOR_ANSWER: 'job-answer',
    BASE_PRIORITY: 1,
  })
  const now = new Date('2026-11-22T09:54:51')
  const [status, prompt] = dialect.prepare?.(capturedJob, '12345', now) ?? []
  const of = { wireId: '12345', run: 'run-1', expiresAt: now }
  const { body } = dialect.encodeJob(capturedJob, of)
  const { 'job-status:12345': theirStatus, 'prompt:12345': theirPrompt } =
    captured.redis_after_submit
  return [
    ['status', status?.value ?? '', theirStatus ?? ''],
    ['prompt', prompt?.value ?? '', theirPrompt ?? ''],
    ['message', body.toString(), captured.job.body],
  ]
}

describe.skipIf(isMissing(environment))(`protollm-api 1.1.5${whyMissing(environment)}`, () => {
  test('its own models make the same objects of what we write as of what it wrote itself', async () => {
    const python = 'python' in environment ? environment.python : ''
    const { stdout } = await run(python, [MODELS, JSON.stringify(writtenAndCaptured())])
    const compared = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(compared).toMatchObject([
      { model: 'status', same: true },
      { model: 'prompt', same: true },
      { model: 'message', same: true },
    ])
  })

  answersAll(scene)
  failsAsTold(scene, 'Exception')

  test('the gateway may come first: both declare the queue alike', async () => {
    const settings = settingsOf()
    const { url } = await startGateway(settings)
    const worker = await programOf(settings)()
    const asked = [await ask(url, 'anything')]
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 1 })
  })

  test('of 1,000 jobs every tenth fails with its own message, and none hangs', async () => {
    const { worker, url } = await scene()
    const contents = unique(1_000).map((text, at) => (at % 10 === 0 ? `fail: ${text}` : text))
    const asked = await askAll(url, contents, 32)
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 900, '502 worker_failed': 100 })
    expect(saidOtherwise(asked, 'Exception')).toEqual([])
  })

  test('a killed worker’s backlog is run by the next one', async () => {
    const { worker, startWorker, url } = await scene({ TIMEOUT: '30' })
    const contents = [...unique(60), 'sleep:2 and be killed', ...unique(139)]
    const asking = askAll(url, contents, 16)
    await worker.begun('sleep:2')
    await worker.end('SIGKILL')
    const next = await startWorker()
    const asked = await asking
    next.count(asked)
    expect(tally(asked)).toEqual({ 200: 200 })
  })

  test('a job shows that it waits, that it runs, and how it ended', async () => {
    const { worker, url } = await scene()
    const job = { job_id: randomUUID(), content: 'sleep:1 in the second place' }
    const at = `${url}/jobs/${job.job_id}`
    const look = async (): Promise<string> => (await request(at, 'GET')).body.status
    const first = ask(url, 'sleep:1 in the first place')
    await worker.begun('sleep:1 in the first')
    await submit(url, job)
    const statuses = [await look()]
    await worker.begun('sleep:1 in the second')
    statuses.push(await look())
    const ended = await request(at, 'GET', undefined, { prefer: 'wait=10' })
    statuses.push(ended.body.status)
    worker.count([await first, { ...job, id: job.job_id, outcome: '200', detail: undefined }])
    expect(statuses).toEqual(['queued', 'running', 'succeeded'])
    expect(ended.body.outcome?.content).toBe('echo: sleep:1 in the second place')
  })
})

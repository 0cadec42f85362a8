import { describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../src/errors.ts'
import { CHAT, hello, openAiApp, succeeded } from '../../../support/openai.ts'
import type { ErrorCode } from '../../../../src/errors.ts'
import type { UnansweredJobs } from '../../../../src/http/app-options.ts'

/** A gateway that remembers one job, and answers the requests for it with these errors. */
function scene(...codes: ErrorCode[]) {
  const remembered = ['earlier']
  const unanswered = {
    take: vi.fn<UnansweredJobs['take']>(async () => remembered.shift()),
    put: vi.fn<UnansweredJobs['put']>(async () => {}),
  }
  const run = async () => {
    const code = codes.shift()
    if (code !== undefined) throw new GatewayError(code, 'no')
    return succeeded({ body: '{"choices":[]}' })
  }
  const app = openAiApp(run, { unanswered })
  const ids = () => app.run.mock.calls.map(([job]) => job.id)
  return { ...app, ids, unanswered }
}

describe('a request that comes again', () => {
  test('begins a job of its own where its earlier job is of another payload', async () => {
    const { post, ids, unanswered } = scene('job_conflict')
    const { status, headers } = await post(CHAT, hello())
    const [first, second] = ids()
    expect([status, first]).toEqual([200, 'earlier'])
    expect(second).not.toBe('earlier')
    expect(headers.get('x-job-id')).toBe(second)
    expect(headers.get('idempotent-replayed')).toBeNull()
    expect(unanswered.put).not.toHaveBeenCalled()
  })

  test('is a 409 where its own new job is one', async () => {
    const { post, ids } = scene('job_conflict', 'job_conflict')
    expect((await post(CHAT, hello())).status).toBe(409)
    expect(ids()).toHaveLength(2)
  })

  test.each<[ErrorCode, boolean]>([
    ['overloaded', true],
    ['broker_down', true],
    ['results_down', true],
    ['timed_out', true],
    ['worker_failed', false],
    ['job_cancelled', false],
    ['client_gone', false],
  ])('after %s, its job is remembered: %s', async (code, isRemembered) => {
    const { post, unanswered } = scene(code)
    await post(CHAT, hello())
    const [[name]] = unanswered.take.mock.calls as [[string]]
    expect(unanswered.put.mock.calls).toEqual(isRemembered ? [[name, 'earlier']] : [])
  })
})

import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readEvents, textOf } from '../support/events.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { askMany } from '../support/load.ts'
import { startGatewayProgram, startWorkerProgram } from '../support/program.ts'
import { freshSettings } from '../support/scene.ts'
import { versions } from './versions.ts'
import type { Settings } from '../support/scene.ts'

const { now, before } = versions()

describe.each([
  ['the new gateway with the old stub', now.gateway, before.worker],
  ['the old gateway with the new stub', before.gateway, now.worker],
])('%s', (_, gatewayOf, workerOf) => {
  async function startPair(more: Settings) {
    const settings = { ...freshSettings(), ...more }
    const [{ url }, { log }] = await Promise.all([
      startGatewayProgram(settings, gatewayOf),
      startWorkerProgram(settings, workerOf),
    ])
    return { url, log }
  }

  test('answers 300 requests at 16 in flight', async () => {
    const { url, log } = await startPair({ ECHO_DELAY_MS: '5' })
    const counts = await askMany({ urls: [url], total: 300, concurrency: 16 })
    expect(counts).toEqual({ right: 300, wrong: [] })
    // Each job ran once, and its first outcome stayed.
    await eventually('all are logged', () => log.named('job.done').length === 300)
    expect(log.named('job.done').filter(({ written }) => written !== 'written')).toEqual([])
  })

  test('runs jobs that are left or streamed, stops those that are cancelled, tells how one failed', async () => {
    const { url, log } = await startPair({ ECHO_TOKENS_PER_S: '100', ECHO_FAILURE_RATE: '0.002' })
    const job = (id: string): string => `${url}/jobs/${id}`
    const submitted = await submit(url, { job_id: 'a-1', content: 'one two' })
    expect([submitted.status, submitted.body.status]).toEqual([202, 'queued'])
    const ended = await ask(job('a-1'), 'GET', undefined, { prefer: 'wait=10' })
    const outcome = { content: 'echo: one two' }
    expect(ended.body).toMatchObject({ job_id: 'a-1', status: 'succeeded', outcome })

    const words = Array.from({ length: 30 }, (__, index) => `word-${index}`).join(' ')
    await submit(url, { job_id: 'a-2', content: words })
    const events = await (await readEvents(`${job('a-2')}/events`)).all()
    expect(events.filter(({ event }) => event === 'delta').length).toBeGreaterThan(5)
    expect(textOf(events)).toBe(`echo: ${words}`)
    expect(events.at(-1)).toMatchObject({ event: 'done', data: { status: 'succeeded' } })

    const endless = 'on and '.repeat(5_000)
    const begun = async (id: string): Promise<void> => {
      for await (const { event } of await readEvents(`${job(id)}/events`)) {
        if (event === 'delta') return
      }
    }
    await submit(url, { job_id: 'a-3', content: endless })
    await begun('a-3')
    expect((await ask(job('a-3'), 'DELETE')).body.status).toBe('cancelled')
    expect(await log.until('job.cancelled')).toMatchObject({ job: 'a-3' })

    const client = new AbortController()
    const left = generate(url, 'a-4', endless, { signal: client.signal }).catch(() => 'left')
    await eventually('it is accepted', async () => (await ask(job('a-4'), 'GET')).status === 200)
    await begun('a-4')
    client.abort()
    expect(await left).toBe('left')
    await eventually('the job of the client that left has stopped', () =>
      log.named('job.cancelled').some((line) => line.job === 'a-4'),
    )

    // The id alone decides which jobs the echo engine fails.
    const failed = await generate(url, 'fails-28', 'x')
    expect(failed.body).toMatchObject({ status: 502, code: 'worker_failed' })
    await submit(url, { job_id: 'fails-302', content: 'x' })
    const { body } = await ask(job('fails-302'), 'GET', undefined, { prefer: 'wait=10' })
    expect(body).toMatchObject({ status: 'failed', outcome: { error: { type: 'EchoError' } } })
  })
})

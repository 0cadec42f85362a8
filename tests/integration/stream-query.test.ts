import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readEvents, textOf } from '../support/events.ts'
import { ask, submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { startPlainWorker } from '../support/scene.ts'

describe('?stream=true', () => {
  test('is refused before anything is published, where too many are pending', async () => {
    const { gateway, claim } = await jobScene({ MAX_PENDING: '1' })
    const { body } = await submit(gateway.url, { content: 'x' })
    await readEvents(`${gateway.url}/jobs/${body.job_id}/events`)
    await eventually('it is held', () => gateway.load().pending === 1)
    const job = { job_id: 's-3', meta: {}, content: 'x' }
    const refused = await ask(`${gateway.url}/generate?stream=true`, 'POST', job)
    expect({ status: refused.status, code: refused.body.code }).toEqual({
      status: 503,
      code: 'overloaded',
    })
    expect(await claim('s-3').exists()).toBe(false)
  })

  test('answers the seed’s routes with the same events', async () => {
    const { settings, gateway } = await jobScene()
    await startPlainWorker(settings, ({ content }) => `echo: ${content}`)
    const reader = await readEvents(`${gateway.url}/generate?stream=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ job_id: 's-1', meta: {}, content: 'x' }),
    })
    expect(reader.headers.get('location')).toBe('jobs/s-1')
    const events = await reader.all()
    expect(events.map(({ event }) => event)).toEqual(['status', 'delta', 'done'])
    expect(textOf(events)).toBe('echo: x')
    expect(gateway.load().pending).toBe(0)
    const bad = await ask(`${gateway.url}/generate?stream=2`, 'POST', {
      job_id: 's-2',
      meta: {},
      content: 'x',
    })
    expect(bad.body.detail).toMatchObject([{ loc: ['query', 'stream'] }])
  })
})

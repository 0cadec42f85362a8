import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, leavable } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'

describe('Prefer on the seed’s routes', () => {
  const body = { job_id: 'p-1', meta: {}, content: 'x' }

  test('respond-async and a wait that is over answer 202 with the job', async () => {
    const { gateway, answer } = await jobScene()
    const url = `${gateway.url}/generate`
    const accepted = await ask(url, 'POST', body, { prefer: 'respond-async' })
    expect(accepted.status).toBe(202)
    expect(accepted.headers.get('preference-applied')).toBe('respond-async')
    expect(accepted.headers.get('location')).toBe('jobs/p-1')
    const over = await ask(url, 'POST', body, { prefer: 'wait=1' })
    expect({ status: over.status, state: over.body.status }).toEqual({
      status: 202,
      state: 'queued',
    })
    const held = ask(url, 'POST', body, { prefer: 'wait=9' })
    await answer('p-1', { content: 'fine' })
    expect((await held).body).toEqual({ content: 'fine' })
  })

  test('leaving a request that was told to wait is not a cancel', async () => {
    const { gateway, claim, answer } = await jobScene()
    const { leave, left } = leavable(gateway.url, 'p-1', { prefer: 'wait=9' })
    await eventually('it is held', () => claim('p-1').run())
    leave()
    expect(await left).toBe('left')
    await eventually('no request waits', () => gateway.load().pending === 0)
    expect((await ask(`${gateway.url}/jobs/p-1`, 'GET')).body.status).toBe('queued')
    await answer('p-1', { content: 'fine' })
    expect((await ask(`${gateway.url}/jobs/p-1`, 'GET')).body.status).toBe('succeeded')
  })

  test('a request whose time is over says where its job is', async () => {
    const { gateway } = await jobScene({ TIMEOUT: '1' })
    const over = await ask(`${gateway.url}/generate`, 'POST', body)
    expect(over.status).toBe(504)
    expect(over.headers.get('location')).toBe('jobs/p-1')
  })
})

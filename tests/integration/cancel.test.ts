import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, submit } from '../support/http-client.ts'
import { jobScene } from '../support/jobs.ts'
import { metricsOf } from '../support/metrics.ts'
import { cancelKey } from '../support/record.ts'
import { startGateway } from '../support/scene.ts'

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

describe('DELETE /jobs/{id}', () => {
  test('ends it for everybody who waits, and a late result changes nothing', async () => {
    const { settings, gateway, redis, key, answer } = await jobScene()
    const other = await startGateway(settings)
    const { body } = await submit(gateway.url, { job_id: 'd-1', content: 'x' })
    const seed = ask(`${other.url}/generate`, 'POST', { job_id: 'd-1', meta: {}, content: 'x' })
    const held = ask(`${other.url}/jobs/d-1`, 'GET', undefined, { prefer: 'wait=9' })
    await eventually('both are held', () => other.load().pending === 2)
    const joined = 'gateway_claims_total{result="joined"}'
    await eventually('one has joined', async () => (await metricsOf(other.url))[joined] === 1)
    const cancelled = await ask(`${gateway.url}/jobs/d-1`, 'DELETE')
    expect(cancelled.status).toBe(200)
    expect(cancelled.body).toEqual({ ...body, status: 'cancelled', finished_at: TIME })
    const { status, body: problem } = await seed
    expect({ status, code: problem.code }).toEqual({ status: 409, code: 'job_cancelled' })
    expect((await held).body.status).toBe('cancelled')
    await answer('d-1', { content: 'late' })
    expect((await ask(`${other.url}/jobs/d-1`, 'GET')).body).toEqual(cancelled.body)
    expect((await ask(`${other.url}/jobs/d-1`, 'DELETE')).body).toEqual(cancelled.body)
    expect(await redis.exists(cancelKey(key('d-1')))).toBe(1)
  })

  test('an end it has had stands; an unknown one is a 404; a cancelled id starts a new run', async () => {
    const { gateway, answer, depth } = await jobScene()
    await submit(gateway.url, { job_id: 'd-2', content: 'x' })
    await answer('d-2', { content: 'fine' })
    expect((await ask(`${gateway.url}/jobs/d-2`, 'DELETE')).body.status).toBe('succeeded')
    expect((await ask(`${gateway.url}/jobs/unknown`, 'DELETE')).status).toBe(404)
    await submit(gateway.url, { job_id: 'd-3', content: 'x' })
    await ask(`${gateway.url}/jobs/d-3`, 'DELETE')
    const again = await submit(gateway.url, { job_id: 'd-3', content: 'x' })
    expect({ status: again.status, state: again.body.status }).toEqual({
      status: 202,
      state: 'queued',
    })
    expect(await depth()).toBe(3)
  })

  test('a stop and a result in the same millisecond have one outcome, everywhere', async () => {
    const { settings, gateway, answer } = await jobScene()
    const other = await startGateway(settings)
    const ids = Array.from({ length: 100 }, (_, index) => `race-${index}`)
    const seen = await Promise.all(
      ids.map(async (id) => {
        await submit(gateway.url, { job_id: id, content: 'x' })
        const held = ask(`${other.url}/jobs/${id}`, 'GET', undefined, { prefer: 'wait=9' })
        const [deleted] = await Promise.all([
          ask(`${gateway.url}/jobs/${id}`, 'DELETE'),
          answer(id, { content: 'x' }),
        ])
        const later = await ask(`${other.url}/jobs/${id}`, 'GET')
        return [deleted.body.status, (await held).body.status, later.body.status]
      }),
    )
    const kinds = seen.map((statuses) => new Set(statuses).size)
    expect(kinds).toEqual(ids.map(() => 1))
  })
})

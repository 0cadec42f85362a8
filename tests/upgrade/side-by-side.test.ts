import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, generate, submit } from '../support/http-client.ts'
import { askMany } from '../support/load.ts'
import { startGatewayProgram, startWorkerProgram } from '../support/program.ts'
import { claimKey } from '../support/record.ts'
import { freshSettings, startPlainWorker, testRedis } from '../support/scene.ts'
import { versions } from './versions.ts'
import type { Reply } from '../support/http-client.ts'
import type { Settings } from '../support/scene.ts'

const { now, before } = versions()

/** A gateway of each version, on one queue and the same keys. */
async function startBoth(more: Settings = {}) {
  const settings = { ...freshSettings(), ...more }
  const [old, young] = await Promise.all([
    startGatewayProgram(settings, before.gateway),
    startGatewayProgram(settings, now.gateway),
  ])
  return { settings, old, young }
}

/** What a request got that asks for an echo, in a word. */
function verdictOf({ status, body }: Reply, content: string): string {
  if (status !== 200) return body.code ?? String(status)
  return body.content === `echo: ${content}` ? 'right' : `crossed: ${body.content}`
}

const echoOf = async (url: string, id: string, content: string): Promise<string> =>
  verdictOf(await generate(url, id, content), content)

test('gateways and stubs of both versions share 300 jobs at 16 in flight, each under an id of its own', async () => {
  const { settings, old, young } = await startBoth({ ECHO_DELAY_MS: '5' })
  const stubs = await Promise.all([
    startWorkerProgram(settings, before.worker),
    startWorkerProgram(settings, now.worker),
  ])
  const urls = [old.url, young.url]
  expect(await askMany({ urls, total: 300, concurrency: 16 })).toEqual({ right: 300, wrong: [] })
  const done = () => stubs.map(({ log }) => log.named('job.done').length)
  await eventually('all are logged', () => done().reduce((sum, count) => sum + count) === 300)
  expect(Math.min(...done())).toBeGreaterThan(50)
})

describe('the workers first, then the gateways', () => {
  test('the new gateway does not know the jobs of the old one, starts new runs for the same requests, and answers', async () => {
    const more = { ECHO_TOKENS_PER_S: '100', WORKER_CONCURRENCY: '1', STOP_GRACE_S: '0' }
    const { settings, old, young } = await startBoth(more)
    const stub = await startWorkerProgram(settings, now.worker)
    const long = 'and on '.repeat(30).trim()
    const all = Object.entries({ read: 'x', unread: 'y', runs: long, queued: 'z', waits: 'w' })
    await generate(old.url, 'read', 'x')
    await submit(old.url, { job_id: 'unread', content: 'y' })
    await eventually('both have ended', () => stub.log.named('job.done').length === 2)
    await submit(old.url, { job_id: 'runs', content: long })
    await submit(old.url, { job_id: 'queued', content: 'z' })
    const waiting = generate(old.url, 'waits', 'w')
    await eventually('all are accepted', async () => {
      return (await ask(`${old.url}/jobs/waits`, 'GET')).status === 200
    })
    expect(await old.end('SIGTERM')).toBe(0)
    expect((await waiting).body.status).toBe(503)

    const looks = all.flatMap(([id]) => [
      ask(`${young.url}/jobs/${id}`, 'GET'),
      ask(`${young.url}/jobs/${id}/events`, 'GET'),
      ask(`${young.url}/jobs/${id}`, 'DELETE'),
    ])
    for (const { body } of await Promise.all(looks)) expect(body.code).toBe('not_found')
    const again = await Promise.all(all.map(([id, content]) => generate(young.url, id, content)))
    expect(again.map(({ body }) => body)).toEqual(
      all.map(([, content]) => ({ content: `echo: ${content}` })),
    )
    expect(again.filter(({ headers }) => headers.has('idempotent-replayed'))).toEqual([])
    const found = await Promise.all(all.map(([id]) => ask(`${young.url}/jobs/${id}`, 'GET')))
    expect(found.map(({ body }) => body.status)).toEqual(all.map(() => 'succeeded'))
  })

  test('an id asked of both at once gets true answers or a 504, and the new gateway answers it then', async () => {
    const { settings, old, young } = await startBoth({ TIMEOUT: '2', STOP_GRACE_S: '0' })
    await startWorkerProgram(settings, now.worker)
    const ids = Array.from({ length: 40 }, (_, index) => `same-${index}`)
    const ofYoung = ids.map((id, index) => (index % 2 === 0 ? id : `another payload of ${id}`))
    const verdicts = await Promise.all([
      ...ids.map((id) => echoOf(old.url, id, id)),
      ...ids.map((id, index) => echoOf(young.url, id, ofYoung[index] as string)),
    ])
    expect(verdicts.filter((each) => each !== 'right' && each !== 'timed_out')).toEqual([])
    await old.end('SIGTERM')
    const again = ids.map((id, index) => echoOf(young.url, id, ofYoung[index] as string))
    expect(await Promise.all(again)).toEqual(ids.map(() => 'right'))
  })
})

describe('an id that the other version has claimed', () => {
  test.each([
    ['an old stub does not run it for the new gateway', before.worker, 'old'],
    ['a new stub does not run it for the old gateway', now.worker, 'new'],
  ])('%s while the record lives, and runs it the other way round', async (_, worker, version) => {
    const { settings, old, young } = await startBoth({ TIMEOUT: '1', RESULT_TTL_S: '100' })
    const redis = await testRedis()
    const stub = await startWorkerProgram(settings, worker)
    const [own, other] = version === 'old' ? [old.url, young.url] : [young.url, old.url]
    const ofOwn = ['b-1', 'b-2', 'b-3'].map((id) => echoOf(own, id, 'x'))
    const ofOther = ['b-4', 'b-5'].map((id) => echoOf(other, id, 'x'))
    expect(await Promise.all([...ofOwn, ...ofOther])).toEqual(Array(5).fill('right'))

    // The stub looks at the record of its own version, which names the first run.
    const late = [echoOf(other, 'b-1', 'x'), echoOf(other, 'b-2', 'another payload')]
    expect(await Promise.all(late)).toEqual(['timed_out', 'timed_out'])
    const skipped = stub.log
      .named('job.skipped')
      .map(({ job, reason }) => `${String(job)} ${String(reason)}`)
    expect(skipped.toSorted()).toEqual(['b-1 stale', 'b-2 stale'])
    // It does not see the record of the other version.
    expect(await echoOf(own, 'b-4', 'x')).toBe('right')
    expect(await echoOf(own, 'b-5', 'another payload')).toBe('right')

    const key = `${settings.REDIS_PREFIX}:b-3`
    const record = version === 'old' ? `{${key}}:claim` : claimKey(key)
    const lifeS = await redis.ttl(record)
    expect([lifeS > 80, lifeS <= 100]).toEqual([true, true])
    await redis.del(record)
    expect(await echoOf(other, 'b-3', 'x')).toBe('right')
    // A repeated request joins the run that the stub has skipped.
    await redis.del(record.replace('b-3', 'b-1'))
    expect(await echoOf(other, 'b-1', 'x')).toBe('timed_out')
  })
})

test('a worker that names no run answers an id asked of both at once, also crosswise: the gap CHANGELOG documents', async () => {
  const { settings, old, young } = await startBoth()
  const { tasks } = await startPlainWorker(settings, async ({ id, content }) => {
    if (content === 'second') return undefined
    const both = () => tasks.filter((task) => task.id === id).length === 2
    if (content === 'first') await eventually('both are asked for', both)
    return `echo: ${content}`
  })
  const ids = Array.from({ length: 40 }, (_, index) => `same-${index}`)
  const verdicts = await Promise.all(
    ids.flatMap((id) => [echoOf(old.url, id, id), echoOf(young.url, id, id)]),
  )
  expect(verdicts).toEqual(verdicts.map(() => 'right'))
  expect(tasks).toHaveLength(80)
  // Within one version, the second payload would be refused as a conflict.
  const first = echoOf(old.url, 'gap', 'first')
  await eventually('the first is asked for', () => tasks.length === 81)
  expect(await echoOf(young.url, 'gap', 'second')).toBe('crossed: echo: first')
  expect(await first).toBe('right')
})

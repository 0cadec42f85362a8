import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { generate, post } from '../support/http-client.ts'
import { claimRecord } from '../support/record.ts'
import { freshSettings, testRedis } from '../support/scene.ts'
import { gatewayOutput, workerOutput } from './support/output.ts'
import { RawClient, jobRequest } from './support/raw.ts'
import type { AddressInfo } from 'node:net'

const PROMPT = 'canary-prompt'
const ANSWER = 'canary-answer'
const API_KEY = 'canary-key'

/** A model that answers with what it was asked, in the ways in which that can go wrong. */
async function startModel(): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const choices = [{ message: { content: ANSWER }, finish_reason: 'stop' }]
      if (body.includes('go wrong')) response.writeHead(500).end(body)
      else if (body.includes('break off')) request.socket.destroy()
      else {
        response.setHeader('content-type', 'application/json')
        response.end(body.includes('garble') ? `{"${ANSWER}` : JSON.stringify({ choices }))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('no line says what was asked or answered, whichever way a job ends', async () => {
  const settings = { ...freshSettings(), LOG_LEVEL: 'debug', TIMEOUT: '2' }
  const [idle, redis] = [`${settings.QUEUE_NAME}-idle`, await testRedis()]
  const gateway = await gatewayOutput({ ...settings, ALLOWED_QUEUES: idle })
  const model = { ENGINE: 'openai', INNER_LLM_URL: await startModel(), INNER_LLM_API_KEY: API_KEY }
  const worker = await workerOutput({ ...settings, ...model })
  const ask = (id: string, how: string) => generate(gateway.url, id, `${PROMPT} ${how}`)
  expect((await ask('s-1', 'well')).body.content).toBe(ANSWER)
  // Its own words are what the worker reports: they are the client's to read, and no log's.
  for (const [id, how] of Object.entries({
    's-2': 'go wrong',
    's-3': 'break off',
    's-4': 'garble',
  })) {
    expect((await ask(id, how)).body.code).toBe('worker_failed')
  }
  const results = [`${ANSWER} and no JSON`, `{"content":["${ANSWER}"]}`, `["${ANSWER}"]`]
  const errors: unknown[] = []
  for (const [index, result] of results.entries()) {
    const body = { job_id: `s-5-${index}`, meta: { model: PROMPT }, content: PROMPT }
    const asked = post(gateway.url, `/generate?queue_name=${idle}`, body)
    const claim = claimRecord(redis, `${settings.REDIS_PREFIX}:${body.job_id}`)
    await eventually('it waits', async () => (await claim.state()) === 'published')
    await redis.set(`${settings.REDIS_PREFIX}:${body.job_id}`, result)
    errors.push((await asked).body)
  }
  expect(errors.map((body) => (body as { code: string }).code)).toEqual(Array(3).fill('bad_result'))
  const late = { job_id: 's-6', meta: { stop_words: [PROMPT] }, content: PROMPT }
  errors.push((await post(gateway.url, `/generate?queue_name=${idle}`, late)).body)
  await post(gateway.url, '/generate', `{"${PROMPT}`)
  await post(gateway.url, '/generate', { job_id: PROMPT, meta: [PROMPT], content: { PROMPT } })
  errors.push((await post(gateway.url, `/${PROMPT}?x=${PROMPT}`, PROMPT)).body)
  errors.push(await (await fetch(`${gateway.url}/metrics`)).text())

  await eventually('the worker has logged it', () => worker.text().split('job.done').length === 5)
  for (const said of [gateway.text(), worker.text(), JSON.stringify(errors)]) {
    expect(said).not.toContain('canary')
  }
})

test('no request id makes a line of the log or a header of its own', async () => {
  const settings = { ...freshSettings(), LOG_LEVEL: 'debug' }
  const gateway = await gatewayOutput(settings)
  await workerOutput(settings)
  const hostile = [
    'a\r\n set-cookie: forged=1',
    'a\nset-cookie: forged=1',
    'a\rset-cookie: forged=1',
    'a\0b',
    'a\x0bb',
    'a\x85forged',
    'a\xe2\x80\xa8forged',
    'a","msg":"forged',
    'a\\nforged',
    'a%0d%0aset-cookie:forged=1',
    'forged'.repeat(100),
    '{"level":60,"msg":"forged"}',
  ]
  for (const [index, requestId] of hostile.entries()) {
    const client = new RawClient(gateway.url)
    client.send(jobRequest(`r-${index}`, 'x', [`X-Request-Id: ${requestId}`]))
    await eventually('it is answered', () => client.answers.length === 1 || client.isClosed)
    const [answer] = client.answers
    const requestIdOfAnswer = answer?.headers['x-request-id'] ?? 'none'
    expect(`${answer?.status} ${requestIdOfAnswer}`).toMatch(/^(400|200) [\da-f-]{36}$/)
    expect(client.received).not.toContain('forged')
  }
  // A header line of its own is no part of the one before it.
  const client = new RawClient(gateway.url)
  client.send(jobRequest('r', 'x', ['X-Request-Id: mine\r\nSet-Cookie: forged=1']))
  await eventually('it is answered', () => client.answers.length === 1)
  expect(client.answers[0]?.headers).toMatchObject({ 'x-request-id': 'mine' })
  expect(client.answers[0]?.headers).not.toHaveProperty('set-cookie')

  await eventually('it is logged', () => gateway.lines.some((line) => line.includes('"mine"')))
  for (const line of gateway.lines) expect(JSON.parse(line)).toHaveProperty('msg')
  expect(gateway.text()).not.toContain('forged')
})

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Lines } from '../../dev/lines.ts'
import { post } from '../support/http-client.ts'
import { freshSettings, startGateway } from '../support/scene.ts'
import { startWorker } from '../support/worker-stub.ts'
import { ODD_TEXTS } from './support/ask.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { count, startRealWorker } from './support/worker.ts'

const run = promisify(execFile)
const environment = environmentOf('protollm-worker-1.0.5')
const CLIENT = fileURLToPath(new URL('clients/llm_api.py', import.meta.url))
const CAPTURED = new URL('clients/captured.json', import.meta.url)

interface Call {
  readonly call: 'inference' | 'chat_completion'
  readonly request: object
}

/** The client, the gateway and a worker of the same house; nothing of ours but what is between them. */
async function scene(timeout = '10') {
  const settings = { ...freshSettings(), TIMEOUT: timeout }
  await startRealWorker(environment, ['-m', 'protollm_worker_1_0'], settings)
  return startGateway(settings)
}

/** What the client makes of each answer: the content, or the text of what it raises. */
async function callAll(url: string, calls: readonly Call[]): Promise<unknown[]> {
  const { hostname, port } = new URL(url)
  const python = 'python' in environment ? environment.python : ''
  const args = [CLIENT, hostname, port, JSON.stringify(calls)]
  const env = { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1' }
  const lines = new Lines()
  lines.write((await run(python, args, { env })).stdout)
  const [answered, raised] = [lines.named('client.answered'), lines.named('client.raised')]
  const who = await lines.until('program.starting')
  count(who, { answered: answered.length, raised: raised.length }, 'LLMAPI')
  return lines.all.slice(1).map(({ content, text }) => content ?? text)
}

const inference = (id: string, content: string): Call => ({
  call: 'inference',
  request: { job_id: id, meta: {}, content },
})

test('what the client once sent is answered', async () => {
  const settings = freshSettings()
  const { url } = await startGateway(settings)
  await startWorker(settings)
  const sent = JSON.parse(readFileSync(CAPTURED, 'utf8')) as { path: string; body: string }[]
  const answers = await Promise.all(sent.map(({ path, body }) => post(url, path, body)))
  expect(answers.map(({ body }) => body)).toEqual([
    { content: 'echo: What is AI?' },
    { content: 'echo: Go on.' },
  ])
})

describe.skipIf(isMissing(environment))(`LLMAPI of protollm-sdk${whyMissing(environment)}`, () => {
  test('inference returns the content, whatever is in it', async () => {
    const { url } = await scene()
    const calls = ODD_TEXTS.map((text, at) => inference(`text-${at}`, text))
    expect(await callAll(url, calls)).toEqual(ODD_TEXTS.map((text) => `echo: ${text}`))
  })

  test('chat_completion returns the content', async () => {
    const { url } = await scene()
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Что такое ИИ?' },
    ]
    const meta = { temperature: 0.5, tokens_limit: 1000, stop_words: ['stop'], model: 'm' }
    const request = { job_id: 'chat', priority: 3, source: 'test', meta, messages }
    const replies = await callAll(url, [{ call: 'chat_completion', request }])
    expect(replies).toEqual(['echo: Что такое ИИ?'])
  })

  test('an invalid request is its ValueError, with all that is wrong', async () => {
    const { url } = await scene()
    const [text] = await callAll(url, [inference('not/an id', 'x')])
    expect(text).toContain('Data model validation error')
    expect(text).toContain("'loc': ['body', 'job_id']")
  })

  test('a job that ran out of time is raised, and never taken for an answer', async () => {
    const { url } = await scene('1')
    const [text] = await callAll(url, [inference('late', 'sleep:3 too long')])
    expect(text).toContain('The response generation has been interrupted')
  })
})

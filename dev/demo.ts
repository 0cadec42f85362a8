import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { readmeExamples } from './examples.ts'
import { startProgram } from './program.ts'
import { onStop, startServicesOrExit } from './services.ts'

/**
 * The whole thing in half a minute: servers, gateway, worker; README's requests,
 * one of them again, and one that is wrong. Exits with 0 only if every answer is
 * what README promises.
 */
const WORKER_MS = 300
const WARM_UP = 16
const JSON_TYPE = { 'content-type': 'application/json' }

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const isInteractive = process.stdout.isTTY
const bold = (text: string): string => (isInteractive ? `\x1b[1m${text}\x1b[0m` : text)
const dim = (text: string): string => (isInteractive ? `\x1b[2m${text}\x1b[0m` : text)

const services = await startServicesOrExit((line) => say(dim(line)))
// Names of its own: on servers given by address, the echo must not take other people's jobs.
const name = `demo-${randomUUID().slice(0, 8)}`
const settings = {
  ...services.env,
  API_PORT: '0',
  QUEUE_NAME: name,
  REDIS_PREFIX: name,
  TIMEOUT: '30',
  RESULT_TTL_S: '60',
  JOB_TTL_S: '60',
  ECHO_DELAY_MS: String(WORKER_MS),
  STOP_GRACE_S: '1',
}
const gateway = startProgram('src/main.ts', settings)
const worker = startProgram('worker-stub/main.ts', settings)
const problems: string[] = []
let isStopped = false
onStop(stop)

try {
  await show()
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error))
}
if (!isStopped) {
  await stop()
  for (const problem of problems) say(`FAILED: ${problem}`)
  if (problems.length === 0) say(bold('All as promised.'))
  process.exit(problems.length > 0 ? 1 : 0)
}

async function show(): Promise<void> {
  const { url } = (await gateway.log.until('gateway.listening')) as unknown as { url: string }
  await Promise.all([
    gateway.log.until('push.ready'),
    gateway.log.until('broker.connected'),
    worker.log.until('worker.consuming'),
  ])
  say(bold(`\nGateway on ${url}, and a worker that takes ${WORKER_MS} ms a job`))
  // The first requests of a fresh process measure the compiler.
  await Promise.all(Array.from({ length: WARM_UP }, (_, index) => warmUp(url, index)))
  say(dim(`  warmed up with ${WARM_UP} requests\n`))

  const [first, ...others] = readmeExamples()
  if (first === undefined) throw new Error('README has no example')
  for (const { path, body } of [first, ...others]) await ask(url, path, body, 200)
  const last = others.at(-1) ?? first
  say('The same id and payload again: the outcome is replayed, no worker runs')
  const replayed = await ask(url, last.path, last.body, 200)
  if (replayed.headers.get('idempotent-replayed') !== 'true') problems.push('it was not replayed')
  say('An invalid request: every problem at once, nothing is published')
  await ask(url, '/generate', '{"job_id": "not/valid", "meta": {"temperature": "hot"}}', 422)
}

async function warmUp(url: string, index: number): Promise<void> {
  const body = JSON.stringify({ job_id: `warm-up-${index}`, meta: {}, content: 'x' })
  await fetch(`${url}/generate`, { method: 'POST', headers: JSON_TYPE, body })
}

async function ask(url: string, path: string, body: string, expected: number): Promise<Response> {
  say(`${bold(`POST ${path}`)} ${dim(body.replace(/\s+/g, ' '))}`)
  const started = performance.now()
  const response = await fetch(url + path, { method: 'POST', headers: JSON_TYPE, body })
  const text = await response.text()
  const ms = performance.now() - started
  const hasWaited = response.ok && !response.headers.has('idempotent-replayed')
  const time = hasWaited
    ? `${ms.toFixed(1)} ms: the worker's ${WORKER_MS} and ${(ms - WORKER_MS).toFixed(1)} of ours`
    : `${ms.toFixed(1)} ms`
  say(`  ${response.status} in ${time}`)
  say(`  ${text}\n`)
  if (response.status !== expected) problems.push(`${path}: ${response.status}, not ${expected}`)
  return response
}

async function stop(): Promise<void> {
  isStopped = true
  await Promise.all([gateway.end('SIGTERM'), worker.end('SIGTERM')])
  if (services.isPrivate) {
    await services.close()
    say(dim('Everything is stopped and removed.'))
  } else {
    const connection = await connect(services.env.RABBIT_MQ_URL)
    await (await connection.createChannel()).deleteQueue(name)
    await connection.close()
    say(dim(`Queue ${name} is removed; the keys under ${name} are gone in two minutes.`))
  }
}

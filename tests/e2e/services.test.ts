import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { answers } from '../../dev/services/port.ts'
import { ROOT } from '../../dev/program.ts'
import { eventually } from '../support/eventually.ts'

const ofCompose = { RABBITMQ_DEFAULT_USER: 'admin', RABBITMQ_DEFAULT_PASS: 'admin' }

/** `npm run services` in a temporary directory of its own, once it has printed both addresses. */
async function startServicesProgram() {
  const directory = mkdtempSync(join(tmpdir(), 'services-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const { PATH } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', 'dev/services.ts'], {
    cwd: ROOT,
    // As a copied .env has them, for compose.
    env: { PATH, TMPDIR: directory, SERVICES_INSTALL: 'never', ...ofCompose },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const portOf = async (name: string): Promise<number> => {
    const line = new RegExp(`^${name}=.*:(\\d+)$`, 'm')
    return Number(await eventually(`the line of ${name}`, () => line.exec(output)?.[1], 60_000))
  }
  /** Beside them stands the cache of the program that runs TypeScript. */
  const files = () => readdirSync(directory).filter((name) => name.startsWith('protollm'))
  const gone = async (): Promise<void> => {
    for (const [name, port] of [
      ['RabbitMQ', rabbitmq],
      ['Redis', redis],
    ] as const) {
      await eventually(`${name} is gone`, async () => !(await answers(name, port)))
    }
    await eventually('its files are gone', () => files().length === 0)
  }
  const rabbitmq = await portOf('RABBIT_MQ_URL')
  const redis = await portOf('REDIS_URL')
  return { child, ended, gone, files, rabbitmq, redis }
}

test('the servers are gone without trace after Ctrl-C', async () => {
  const { child, ended, gone, rabbitmq, redis } = await startServicesProgram()
  expect(await answers('RabbitMQ', rabbitmq)).toBe(true)
  expect(await answers('Redis', redis)).toBe(true)
  child.kill('SIGINT')
  expect(await ended).toBe(0)
  await gone()
}, 90_000)

test('the servers are gone without trace after a crash of the program that started them', async () => {
  const { child, ended, gone, files } = await startServicesProgram()
  expect(files()).toHaveLength(1)
  child.kill('SIGKILL')
  await ended
  await gone()
}, 90_000)

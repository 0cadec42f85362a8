import { execFile, execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { answers, freePort } from './port.ts'
import type { Keeper } from './keeper.ts'
import type { Server } from './server.ts'

const run = promisify(execFile)

const IMAGES = {
  RabbitMQ: { image: 'rabbitmq:4-alpine', port: 5672, scheme: 'amqp://guest:guest@' },
  Redis: { image: 'redis:8-alpine', port: 6379, scheme: 'redis://' },
} as const

/** Whether an engine answers; the client alone is no help. */
export async function hasDockerEngine(): Promise<boolean> {
  try {
    await run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 5_000 })
    return true
  } catch {
    return false
  }
}

/** The same server as a container, for systems where it is not installed. */
export async function startContainer(name: Server['name'], keeper: Keeper): Promise<Server> {
  const { image, port: inside, scheme } = IMAGES[name]
  const port = await freePort()
  const container = `protollm-${name.toLowerCase()}-${process.pid}-${port}`
  const docker = async (...args: string[]): Promise<string> => (await run('docker', args)).stdout
  const server: Server = {
    name,
    origin: image,
    url: `${scheme}127.0.0.1:${port}`,
    pid: undefined,
    start: async () => {
      await docker('start', container)
      await untilAnswers(name, port)
    },
    stop: async () => void (await docker('stop', container)),
    kill: async () => void (await docker('kill', container)),
    pause: () => void execFileSync('docker', ['pause', container]),
    resume: () => void execFileSync('docker', ['unpause', container]),
    control: (...args) =>
      docker('exec', container, name === 'Redis' ? 'redis-cli' : 'rabbitmqctl', ...args),
    close: async () => {
      await docker('rm', '--force', '--volumes', container)
      keeper.forget(server)
    },
  }
  keeper.remember(server, `docker rm -f -v ${container}`)
  const settings = name === 'RabbitMQ' ? ['--env', PERMIT_TRANSIENT_QUEUES] : []
  const published = `127.0.0.1:${port}:${inside}`
  await docker('run', '--detach', '--name', container, '--publish', published, ...settings, image)
  await untilAnswers(name, port)
  return server
}

/** What a protollm 1.0 worker declares; RabbitMQ 4.3 and later refuse it unless told. */
const PERMIT_TRANSIENT_QUEUES =
  'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbit permit_deprecated_features #{transient_nonexcl_queues=>true}'

/** A published port accepts connections before the server inside does: only the server's own bytes count. */
async function untilAnswers(name: Server['name'], port: number): Promise<void> {
  const deadline = Date.now() + 120_000
  while (!(await answers(name, port))) {
    if (Date.now() > deadline) throw new Error(`the ${name} container did not answer`)
    await delay(100)
  }
}

import { pathToFileURL } from 'node:url'
import { hasDockerEngine, startContainer } from './services/docker.ts'
import { aptInstall, installHint, rootCommand } from './services/install.ts'
import { Keeper } from './services/keeper.ts'
import { findRabbitmq, findRedis, startRabbitmq, startRedis } from './services/native.ts'
import type { Server } from './services/server.ts'

/** RabbitMQ and Redis for demo, development, tests and bench. */
export interface Services {
  readonly rabbitmq: Server
  readonly redis: Server
  /** The settings by which the gateway and the stub find them. */
  readonly env: { readonly RABBIT_MQ_URL: string; readonly REDIS_URL: string }
  close(): Promise<void>
}

/**
 * Brings up both servers, private to the caller, on free ports of the loopback
 * interface and in a temporary directory. They are gone after `close()`, after
 * Ctrl-C and after a crash of the caller.
 *
 * `SERVICES=env` uses the servers at RABBIT_MQ_URL and REDIS_URL instead.
 * Otherwise, each server: installed here, else a Docker engine, else installed
 * with apt-get where that needs no person (`SERVICES_INSTALL=never` forbids it).
 */
export async function startServices(say: (line: string) => void = () => {}): Promise<Services> {
  if (process.env.SERVICES === 'env') return servicesFromEnv()
  const keeper = new Keeper()
  const started: Server[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.close()))
    await keeper.close()
  }
  try {
    await provide(say)
    const starts = [startOne('RabbitMQ', keeper), startOne('Redis', keeper)] as const
    for (const start of starts) void start.then((server) => started.push(server)).catch(() => {})
    await Promise.allSettled(starts)
    const [rabbitmq, redis] = await Promise.all(starts)
    const env = { RABBIT_MQ_URL: rabbitmq.url, REDIS_URL: redis.url }
    return { rabbitmq, redis, env, close }
  } catch (error) {
    await close()
    throw error
  }
}

const FIND = { RabbitMQ: findRabbitmq, Redis: findRedis }
const PACKAGES = { RabbitMQ: 'rabbitmq-server', Redis: 'redis-server' }

/** Sees to it that `startOne` will find something to start. */
async function provide(say: (line: string) => void): Promise<void> {
  const missing = (['RabbitMQ', 'Redis'] as const).filter((name) => FIND[name]() === undefined)
  if (missing.length === 0 || (await hasDockerEngine())) return
  const root = process.env.SERVICES_INSTALL === 'never' ? undefined : await rootCommand()
  if (root === undefined) {
    throw new Error(
      `${missing.join(' and ')} not found here, and no Docker engine. ${installHint()}`,
    )
  }
  const packages = missing.map((name) => PACKAGES[name])
  say(`installing ${packages.join(' and ')} with apt-get (SERVICES_INSTALL=never forbids it)`)
  await aptInstall(root, packages)
}

/** Once more on another port when another program took the first between the search and the start. */
async function startOne(name: Server['name'], keeper: Keeper): Promise<Server> {
  const program = FIND[name]()
  const start = (): Promise<Server> => {
    if (program === undefined) return startContainer(name, keeper)
    return name === 'Redis' ? startRedis(program, keeper) : startRabbitmq(program, keeper)
  }
  return start().catch(start)
}

function servicesFromEnv(): Services {
  const { RABBIT_MQ_URL, REDIS_URL } = process.env
  if (RABBIT_MQ_URL === undefined || REDIS_URL === undefined) {
    throw new Error('SERVICES=env needs RABBIT_MQ_URL and REDIS_URL')
  }
  const env = { RABBIT_MQ_URL, REDIS_URL }
  return {
    rabbitmq: foreign('RabbitMQ', RABBIT_MQ_URL),
    redis: foreign('Redis', REDIS_URL),
    env,
    close: async () => {},
  }
}

function foreign(name: Server['name'], url: string): Server {
  const refuse = (): never => {
    throw new Error(`${name} belongs to somebody else (SERVICES=env): it is not ours to stop`)
  }
  return {
    name,
    url,
    origin: 'SERVICES=env',
    start: async () => refuse(),
    stop: async () => refuse(),
    kill: async () => refuse(),
    pause: refuse,
    resume: refuse,
    control: async () => refuse(),
    close: async () => {},
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const services = await startServices((line) => process.stderr.write(`# ${line}\n`))
  process.stdout.write(`# ${services.rabbitmq.origin}, ${services.redis.origin}; until Ctrl-C\n`)
  for (const [name, value] of Object.entries(services.env))
    process.stdout.write(`${name}=${value}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void services.close().then(() => process.exit(0)))
  }
  setInterval(() => {}, 1 << 30)
}

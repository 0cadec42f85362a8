import { pathToFileURL } from 'node:url'
import { hasDockerEngine, startContainer } from './services/docker.ts'
import { aptInstall, installHint, rootCommand } from './services/install.ts'
import { Keeper } from './services/keeper.ts'
import { findRabbitmq, findRedis, startRabbitmq, startRedis } from './services/native.ts'
import type { Server } from './services/server.ts'

/** What a person has to do first; its text says what. */
class SetUpError extends Error {
  override readonly name = 'SetUpError'
}

/** For the commands of package.json: a SetUpError is printed in words, any other error with its stack. */
export async function startServicesOrExit(say: (line: string) => void): Promise<Services> {
  try {
    return await startServices(say)
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error
    process.stderr.write(`${error.message}\n`)
    return process.exit(1)
  }
}

/** Stops what a command has started, once, whichever way it is ended: Ctrl-C, kill, or its terminal is closed. */
export function onStop(stop: () => Promise<void>): void {
  let stopping: Promise<void> | undefined
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopping ??= stop().then(() => process.exit(0))
    })
  }
}

/** RabbitMQ and Redis for demo, development, tests and bench. */
export interface Services {
  readonly rabbitmq: Server
  readonly redis: Server
  /** The settings by which the gateway and the stub find them. */
  readonly env: { readonly RABBIT_MQ_URL: string; readonly REDIS_URL: string }
  /** Started by us and gone with us; false for servers given by address. */
  readonly isPrivate: boolean
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
  const { SERVICES } = process.env
  if (SERVICES === 'env') return servicesFromEnv(say)
  if (SERVICES) throw new SetUpError(`SERVICES may be env, not ${SERVICES}`)
  say('starting RabbitMQ and Redis, private to this run (about 10 s)')
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
    say(`${rabbitmq.origin}, ${redis.origin}`)
    return { rabbitmq, redis, env, isPrivate: true, close }
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
    throw new SetUpError(
      `${missing.join(' and ')} not found here, and no Docker engine. Install with: ${installHint()}`,
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

function servicesFromEnv(say: (line: string) => void): Services {
  const { RABBIT_MQ_URL, REDIS_URL } = process.env
  if (RABBIT_MQ_URL === undefined || REDIS_URL === undefined) {
    throw new SetUpError('SERVICES=env needs RABBIT_MQ_URL and REDIS_URL')
  }
  say('using the RabbitMQ and Redis at RABBIT_MQ_URL and REDIS_URL')
  const env = { RABBIT_MQ_URL, REDIS_URL }
  return {
    isPrivate: false,
    rabbitmq: foreign('RabbitMQ', RABBIT_MQ_URL),
    redis: foreign('Redis', REDIS_URL),
    env,
    close: async () => {},
  }
}

function foreign(name: Server['name'], url: string): Server {
  const refuse = (): never => {
    throw new Error(`${name} was given by address (SERVICES=env), so it is not ours to stop`)
  }
  return {
    name,
    url,
    origin: 'SERVICES=env',
    pid: undefined,
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
  const services = await startServicesOrExit((line) => process.stderr.write(`# ${line}\n`))
  for (const [name, value] of Object.entries(services.env))
    process.stdout.write(`${name}=${value}\n`)
  process.stderr.write('# until Ctrl-C\n')
  onStop(() => services.close())
  setInterval(() => {}, 1 << 30)
}

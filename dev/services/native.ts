import { accessSync, constants, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { freePort } from './port.ts'
import { ProcessServer } from './process-server.ts'
import type { Keeper } from './keeper.ts'
import type { Server } from './server.ts'

/** The program that can be run as Redis here, if there is one. */
export function findRedis(): string | undefined {
  return findProgram('redis-server') ?? findProgram('valkey-server')
}

/**
 * The broker's start script, if it and its name server are here. Debian and
 * Fedora keep it off PATH; what they have on PATH is a wrapper that changes to
 * another user, who cannot write to our directory.
 */
export function findRabbitmq(): string | undefined {
  const script = findProgram('rabbitmq-server', ['/usr/lib/rabbitmq/bin'])
  return script !== undefined && findEpmd() !== undefined ? script : undefined
}

export async function startRedis(
  program: string,
  keeper: Keeper,
  more: readonly string[] = [],
): Promise<Server> {
  const directory = join(keeper.directory, 'redis')
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const server = new ProcessServer(
    {
      name: 'Redis',
      port,
      command: program,
      args: ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...more],
      env: process.env,
      logFile: join(directory, 'log'),
    },
    keeper,
  )
  await server.start()
  const cli = program.replace(/-server$/, '-cli')
  return asServer(server, {
    name: 'Redis',
    origin: program,
    url: `redis://127.0.0.1:${port}`,
    control: (...args) => server.tool(cli, ['-p', String(port), ...args]),
    close: () => server.kill(),
  })
}

/**
 * RabbitMQ needs a name server (epmd). It gets one of its own: one started by
 * the broker would go into the background and outlive it. `moreConf`: further
 * lines of its `rabbitmq.conf`.
 */
export async function startRabbitmq(
  script: string,
  keeper: Keeper,
  moreConf: readonly string[] = [],
): Promise<Server> {
  const directory = join(keeper.directory, 'rabbitmq')
  mkdirSync(directory, { recursive: true })
  const [port, distributionPort, epmdPort] = await Promise.all([freePort(), freePort(), freePort()])
  const env = {
    ...withoutBrokers(process.env),
    ...brokerEnv(directory, port, distributionPort, epmdPort),
  }
  const conf = [`listeners.tcp.1 = 127.0.0.1:${port}`, ...moreConf, '']
  writeFileSync(join(directory, 'rabbitmq.conf'), conf.join('\n'))
  writeFileSync(join(directory, 'advanced.config'), PERMIT_TRANSIENT_QUEUES)
  writeFileSync(join(directory, 'enabled_plugins'), '[].\n')
  const epmd = new ProcessServer(
    {
      name: 'epmd',
      port: epmdPort,
      command: findEpmd() ?? 'epmd',
      args: ['-address', '127.0.0.1', '-port', String(epmdPort)],
      env,
      logFile: join(directory, 'epmd.log'),
    },
    keeper,
  )
  const broker = new ProcessServer(
    { name: 'RabbitMQ', port, command: script, args: [], env, logFile: join(directory, 'log') },
    keeper,
  )
  const close = async (): Promise<void> => {
    await broker.kill()
    await epmd.kill()
  }
  try {
    await epmd.start()
    await broker.start()
  } catch (error) {
    await close()
    throw error
  }
  const ctl = join(dirname(realpathSync(script)), 'rabbitmqctl')
  return asServer(broker, {
    name: 'RabbitMQ',
    origin: script,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    control: (...args) => broker.tool(ctl, ['-q', ...args]),
    close,
  })
}

/** Settings of another broker, such as the login that compose gives its own, are none of ours. */
function withoutBrokers(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isOurs = (name: string): boolean => !/^(RABBITMQ|ERL)_/.test(name)
  return Object.fromEntries(Object.entries(env).filter(([name]) => isOurs(name)))
}

/** What a protollm 1.0 worker declares; RabbitMQ 4.3 and later refuse it unless told. */
const PERMIT_TRANSIENT_QUEUES =
  '[{rabbit, [{permit_deprecated_features, #{transient_nonexcl_queues => true}}]}].\n'

function brokerEnv(directory: string, port: number, distributionPort: number, epmdPort: number) {
  return {
    HOME: directory,
    RABBITMQ_NODENAME: `protollm-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'logs'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    // The script becomes the broker instead of waiting beside it: signals reach the right process.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-noinput -kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
}

type Rest = Pick<Server, 'name' | 'origin' | 'url' | 'control' | 'close'>

function asServer(process: ProcessServer, rest: Rest): Server {
  return {
    ...rest,
    get pid() {
      return process.pid
    },
    start: () => process.start(),
    stop: () => process.stop(),
    kill: () => process.kill(),
    pause: () => process.pause(),
    resume: () => process.resume(),
  }
}

function findEpmd(): string | undefined {
  return findProgram('epmd', ['/usr/lib/erlang/bin', '/usr/local/lib/erlang/bin'])
}

function findProgram(name: string, before: readonly string[] = []): string | undefined {
  const directories = [...before, ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)]
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

import * as v from 'valibot'
import { dialects } from './dialects/index.ts'
import { addressOf, host, hostInUrl, port } from './host-setting.ts'
import { modelList, modelSettingsOf } from './models-setting.ts'
import { queueOptionsOf } from './queue-options.ts'
import { Problems, readSettings } from './read-settings.ts'
import {
  Problem,
  flag,
  integer,
  number,
  oneOf,
  password,
  prefix,
  queueList,
  queueName,
  text,
} from './setting.ts'
import { rabbitUrl, redisUrl } from './url-setting.ts'
import type { DialectKind } from './dialect.ts'
import type { DialectName } from './dialects/index.ts'
import type { Address, Host, Port } from './host-setting.ts'
import type { Env } from './read-settings.ts'

export { ConfigError } from './read-settings.ts'
export type { Env } from './read-settings.ts'

const DAY_S = 86_400

/** Where each listens if no variable says it. */
const DEFAULTS = {
  API: { host: '127.0.0.1', port: 6672 },
  RABBIT_MQ: { host: 'localhost', port: 5672 },
  REDIS: { host: 'localhost', port: 6379 },
} as const satisfies Record<string, Address>

/** Where the servers are and how the worker is spoken to: the same for gateway and stub. */
export const sharedSettings = {
  RABBIT_MQ_URL: v.optional(rabbitUrl('amqp', 'amqps')),
  RABBIT_MQ_HOST: v.optional(host),
  RABBIT_MQ_PORT: v.optional(port(1)),
  RABBIT_MQ_LOGIN: v.optional(text, 'admin'),
  RABBIT_MQ_PASSWORD: v.optional(password, 'admin'),
  QUEUE_NAME: v.optional(queueName, 'llm-api-queue'),
  QUEUE_DURABLE: v.optional(flag),
  QUEUE_TYPE: v.optional(oneOf(['classic', 'quorum'], 'must be classic or quorum'), 'classic'),
  QUEUE_MAX_PRIORITY: v.optional(integer(1, 255)),
  QUEUE_MAX_LENGTH: v.optional(integer(1, 2 ** 31 - 1)),
  DELIVERY_LIMIT: v.optional(integer(1, 1_000), '5'),
  REDIS_URL: v.optional(redisUrl('redis', 'rediss')),
  REDIS_HOST: v.optional(host),
  REDIS_PORT: v.optional(port(1)),
  REDIS_PREFIX: v.optional(prefix, 'llm-api'),
  RESULT_TTL_S: v.optional(integer(1, 365 * DAY_S), '3600'),
  DIALECT: v.optional(
    oneOf(dialectNames(), `must be one of ${dialectNames().join(', ')}`),
    'protollm-v1',
  ),
  LOG_LEVEL: v.optional(
    oneOf(
      ['debug', 'info', 'warn', 'error', 'silent'],
      'must be debug, info, warn, error or silent',
    ),
    'info',
  ),
  LEAVE_GRACE_S: v.optional(number(0, DAY_S), '5'),
  STOP_GRACE_S: v.optional(number(0, DAY_S), '25'),
} as const

const gatewaySettings = {
  ...sharedSettings,
  API_HOST: v.optional(host),
  API_PORT: v.optional(port(0)),
  ALLOWED_QUEUES: v.optional(queueList, ''),
  MODELS: v.optional(modelList, ''),
  TIMEOUT: v.optional(number(0.001, DAY_S), '300'),
  JOB_TTL_S: v.optional(integer(1, 365 * DAY_S), '3600'),
  NOTIFY_CONFIG: v.optional(oneOf(['set', 'check'], 'must be set or check'), 'set'),
  REQUIRE_WORKERS: v.optional(flag, 'false'),
  SWEEP_ORPHANS: v.optional(flag, 'true'),
  MAX_PENDING: v.optional(integer(1, 1_000_000), '10000'),
  MAX_BACKGROUND: v.optional(integer(1, 1_000_000), '1000'),
  MAX_BODY_BYTES: v.optional(integer(1, 1 << 30), '1048576'),
  V1_MAX_BODY_BYTES: v.optional(integer(1, 1 << 30), '12582912'),
  V1_MAX_HELD_BYTES: v.optional(integer(1, 2 ** 40), '268435456'),
} as const

/** Those of all dialects; only those of the one that is spoken are read. */
export const dialectSettingNames = Object.values(dialects).flatMap(({ settings }) =>
  Object.keys(settings),
)
/** Every setting of the gateway by name, for the test that holds .env.example and README against it. */
export const gatewaySettingNames = [...Object.keys(gatewaySettings), ...dialectSettingNames]

export type Config = ReturnType<typeof readConfig>

/** Reads the whole configuration or throws a ConfigError that names every bad variable. Connects to nothing. */
export function readConfig(env: Env) {
  const set = readSettings(gatewaySettings, env)
  const problems = new Problems()
  const api = addressIn('API', set.API_HOST, set.API_PORT, problems)
  const servers = serversOf(set, problems)
  if (set.RESULT_TTL_S < set.TIMEOUT) {
    problems.add(
      'RESULT_TTL_S must be at least TIMEOUT: an outcome may not be gone before its request',
    )
  }
  if (servers.dialect.prepare !== undefined && set.RESULT_TTL_S < set.JOB_TTL_S) {
    problems.add(
      'RESULT_TTL_S must be at least JOB_TTL_S with this DIALECT: ' +
        'what its worker looks for may not be gone before its message',
    )
  }
  const queues = [...new Set([set.QUEUE_NAME, ...set.ALLOWED_QUEUES])] as [string, ...string[]]
  const models = modelSettingsOf(set.MODELS, queues)
  if (models === undefined) {
    problems.add('MODELS must name queues that are in QUEUE_NAME or ALLOWED_QUEUES')
  }
  problems.throwIfAny()
  return {
    http: {
      ...api,
      maxBodyBytes: set.MAX_BODY_BYTES,
      v1MaxBodyBytes: set.V1_MAX_BODY_BYTES,
      v1MaxHeldBytes: set.V1_MAX_HELD_BYTES,
    },
    ...servers,
    queues,
    models: models ?? [],
    maxBackground: set.MAX_BACKGROUND,
    notifyConfig: set.NOTIFY_CONFIG,
    gateway: {
      timeoutMs: set.TIMEOUT * 1000,
      jobTtlMs: set.JOB_TTL_S * 1000,
      resultTtlMs: set.RESULT_TTL_S * 1000,
      leaveGraceMs: set.LEAVE_GRACE_S * 1000,
      requireWorkers: set.REQUIRE_WORKERS,
      maxPending: set.MAX_PENDING,
      sweepOrphans: set.SWEEP_ORPHANS,
    },
    stopGraceMs: set.STOP_GRACE_S * 1000,
    logLevel: set.LOG_LEVEL,
  } as const
}

type SharedSet = v.InferOutput<v.ObjectSchema<typeof sharedSettings, undefined>>

/** Addresses and dialect: from our URLs where given, else from our parts, the dialect's own names or the defaults. */
export function serversOf(set: SharedSet, problems: Problems) {
  const kind: DialectKind = dialects[set.DIALECT]
  const dialect = kind.create(set)
  const problem = kind.problem?.(set)
  if (problem !== undefined) problems.add(problem)
  const theirs = kind.addresses?.(set) ?? {}
  const rabbitUrl = set.RABBIT_MQ_HOST === undefined ? theirs.rabbitUrl : undefined
  const redisUrl = set.REDIS_HOST === undefined ? theirs.redisUrl : undefined
  return {
    rabbitUrl: set.RABBIT_MQ_URL ?? rabbitUrl ?? rabbitUrlOf(set, problems),
    redisUrl: set.REDIS_URL ?? redisUrl ?? redisUrlOf(set, problems),
    redisPrefix: set.REDIS_PREFIX,
    dialect,
    queueOptions: queueOptionsOf(set, dialect.queue, problems),
    /** Whether our own declaration sends what the broker gives up to `deadQueueOf`. */
    hasDeadQueue: set.QUEUE_TYPE === 'quorum',
  } as const
}

function rabbitUrlOf(set: SharedSet, problems: Problems): string {
  const login = [set.RABBIT_MQ_LOGIN, set.RABBIT_MQ_PASSWORD].map(encodeURIComponent).join(':')
  const address = addressIn('RABBIT_MQ', set.RABBIT_MQ_HOST, set.RABBIT_MQ_PORT, problems)
  return `amqp://${login}@${inUrl(address)}`
}

const redisUrlOf = (set: SharedSet, problems: Problems): string =>
  `redis://${inUrl(addressIn('REDIS', set.REDIS_HOST, set.REDIS_PORT, problems))}`

const inUrl = ({ host, port }: Address): string => `${hostInUrl(host)}:${port}`

/** It is asked for only where it is used, so that a URL makes host and port idle. */
function addressIn(
  name: keyof typeof DEFAULTS,
  host: Host | undefined,
  port: Port | undefined,
  problems: Problems,
): Address {
  const address = addressOf(name, { host, port }, DEFAULTS[name])
  if (!(address instanceof Problem)) return address
  problems.add(address.message)
  return DEFAULTS[name]
}

function dialectNames(): DialectName[] {
  return Object.keys(dialects) as DialectName[]
}

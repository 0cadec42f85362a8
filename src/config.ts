import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { dialects } from './dialects/index.ts'
import { deadQueueOf } from './dialect.ts'
import { modelList, modelSettingsOf } from './models-setting.ts'
import { flag, integer, list, number, prefix, text, url } from './setting.ts'
import type { DialectKind, QueueOptions } from './dialect.ts'
import type { DialectName } from './dialects/index.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** Bad settings, all at once, a line each. No line carries a value: it may be a password. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const DAY_S = 86_400

/** Where the servers are and how the worker is spoken to: the same for gateway and stub. */
export const sharedSettings = {
  RABBIT_MQ_URL: v.optional(url('amqp', 'amqps')),
  RABBIT_MQ_HOST: v.optional(text, 'localhost'),
  RABBIT_MQ_PORT: v.optional(integer(1, 65_535), '5672'),
  RABBIT_MQ_LOGIN: v.optional(text, 'admin'),
  RABBIT_MQ_PASSWORD: v.optional(v.string(), 'admin'),
  QUEUE_NAME: v.optional(text, 'llm-api-queue'),
  QUEUE_DURABLE: v.optional(flag),
  QUEUE_TYPE: v.optional(v.picklist(['classic', 'quorum'], 'must be classic or quorum'), 'classic'),
  QUEUE_MAX_PRIORITY: v.optional(integer(1, 255)),
  QUEUE_MAX_LENGTH: v.optional(integer(1, 2 ** 31 - 1)),
  DELIVERY_LIMIT: v.optional(integer(1, 1_000), '5'),
  REDIS_URL: v.optional(url('redis', 'rediss')),
  REDIS_HOST: v.optional(text, 'localhost'),
  REDIS_PORT: v.optional(integer(1, 65_535), '6379'),
  REDIS_PREFIX: v.optional(prefix, 'llm-api'),
  RESULT_TTL_S: v.optional(integer(1, 365 * DAY_S), '3600'),
  DIALECT: v.optional(
    v.picklist(dialectNames(), `must be one of ${dialectNames().join(', ')}`),
    'protollm-v1',
  ),
  LOG_LEVEL: v.optional(
    v.picklist(
      ['debug', 'info', 'warn', 'error', 'silent'],
      'must be debug, info, warn, error or silent',
    ),
    'info',
  ),
  LEAVE_GRACE_S: v.optional(number(0, DAY_S), '5'),
  STOP_GRACE_S: v.optional(number(0, DAY_S), '30'),
} as const

const gatewaySettings = {
  ...sharedSettings,
  API_HOST: v.optional(text, '127.0.0.1'),
  API_PORT: v.optional(integer(0, 65_535), '6672'),
  ALLOWED_QUEUES: v.optional(list, ''),
  MODELS: v.optional(modelList, ''),
  TIMEOUT: v.optional(number(0.001, DAY_S), '300'),
  JOB_TTL_S: v.optional(integer(1, 365 * DAY_S), '3600'),
  NOTIFY_CONFIG: v.optional(v.picklist(['set', 'check'], 'must be set or check'), 'set'),
  REQUIRE_WORKERS: v.optional(flag, 'false'),
  SWEEP_ORPHANS: v.optional(flag, 'true'),
  MAX_PENDING: v.optional(integer(1, 1_000_000), '10000'),
  MAX_BODY_BYTES: v.optional(integer(1, 1 << 30), '1048576'),
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
  if (set.RESULT_TTL_S < set.TIMEOUT) {
    throw new ConfigError(
      `RESULT_TTL_S (${set.RESULT_TTL_S}) must be at least TIMEOUT (${set.TIMEOUT}): ` +
        'an outcome may not be gone before its request',
    )
  }
  const servers = serversOf(set, env)
  if (servers.dialect.prepare !== undefined && set.RESULT_TTL_S < set.JOB_TTL_S) {
    throw new ConfigError(
      `RESULT_TTL_S (${set.RESULT_TTL_S}) must be at least JOB_TTL_S (${set.JOB_TTL_S}) with DIALECT ` +
        `${set.DIALECT}: what its worker looks for may not be gone before its message`,
    )
  }
  const queues = [...new Set([set.QUEUE_NAME, ...set.ALLOWED_QUEUES])] as [string, ...string[]]
  const models = modelSettingsOf(set.MODELS, queues)
  if (models === undefined) {
    throw new ConfigError('MODELS must name queues that are in QUEUE_NAME or ALLOWED_QUEUES')
  }
  return {
    http: { host: set.API_HOST, port: set.API_PORT, maxBodyBytes: set.MAX_BODY_BYTES },
    ...servers,
    queues,
    models,
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
export function serversOf(set: SharedSet, env: Env) {
  const login = [set.RABBIT_MQ_LOGIN, set.RABBIT_MQ_PASSWORD].map(encodeURIComponent).join(':')
  const ofParts = {
    rabbitUrl: `amqp://${login}@${inUrl(set.RABBIT_MQ_HOST)}:${set.RABBIT_MQ_PORT}`,
    redisUrl: `redis://${inUrl(set.REDIS_HOST)}:${set.REDIS_PORT}`,
  }
  const kind: DialectKind = dialects[set.DIALECT]
  const dialect = kind.create(set)
  const theirs = kind.addresses?.(set) ?? {}
  const isGiven = (name: string): boolean => Boolean(env[name] || env[`${name}_FILE`])
  const rabbitUrl = isGiven('RABBIT_MQ_HOST') ? undefined : theirs.rabbitUrl
  const redisUrl = isGiven('REDIS_HOST') ? undefined : theirs.redisUrl
  return {
    rabbitUrl: set.RABBIT_MQ_URL ?? rabbitUrl ?? ofParts.rabbitUrl,
    redisUrl: set.REDIS_URL ?? redisUrl ?? ofParts.redisUrl,
    redisPrefix: set.REDIS_PREFIX,
    dialect,
    queueOptions: queueOptionsOf(set, dialect.queue),
    /** Whether our own declaration sends what the broker gives up to `deadQueueOf`. */
    hasDeadQueue: set.QUEUE_TYPE === 'quorum',
  } as const
}

/** An address of IPv6 stands in brackets there. */
const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

/** How each queue is declared: as its worker does it, unless the settings say otherwise. */
function queueOptionsOf(set: SharedSet, ofWorker: QueueOptions): (queue: string) => QueueOptions {
  const { QUEUE_TYPE: type, QUEUE_MAX_LENGTH: maxLength, DELIVERY_LIMIT: deliveryLimit } = set
  const { QUEUE_MAX_PRIORITY: maxPriority } = set
  const durable = set.QUEUE_DURABLE ?? ofWorker.durable
  if (type === 'quorum' && set.QUEUE_DURABLE === false) {
    throw new ConfigError(
      'QUEUE_DURABLE must not be false with QUEUE_TYPE quorum: those always are',
    )
  }
  if (type === 'quorum' && maxPriority !== undefined) {
    throw new ConfigError('QUEUE_MAX_PRIORITY must not be set with QUEUE_TYPE quorum')
  }
  const limit = maxLength === undefined ? {} : { 'x-max-length': maxLength }
  const refuses = { 'x-overflow': 'reject-publish' }
  if (type === 'classic') {
    const bounded = maxLength === undefined ? {} : { ...limit, ...refuses }
    const priorities = maxPriority === undefined ? {} : { 'x-max-priority': maxPriority }
    return () => ({ durable, arguments: { ...ofWorker.arguments, ...priorities, ...bounded } })
  }
  return (queue) => ({
    durable: true,
    arguments: {
      ...limit,
      ...refuses,
      'x-queue-type': 'quorum',
      'x-delivery-limit': deliveryLimit,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': deadQueueOf(queue),
      // Needs reject-publish: https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering
      'x-dead-letter-strategy': 'at-least-once',
    },
  })
}

/**
 * One object schema against the environment, with the settings of the dialect that
 * is spoken. An empty variable counts as unset, as compose passes them;
 * `NAME_FILE` is read where `NAME` is unset.
 */
export function readSettings<T extends v.ObjectEntries>(
  ours: T,
  env: Env,
): v.InferOutput<v.ObjectSchema<T, undefined>> {
  const problems: string[] = []
  const given = valuesOf(ours, env, problems)
  const kind = dialects[given.DIALECT as DialectName] as DialectKind | undefined
  // Only the dialect itself reads its settings: to all others, they are not there.
  Object.assign(given, valuesOf(kind?.settings ?? {}, env, problems))
  const entries: T = { ...ours, ...kind?.settings }
  const parsed = v.safeParse(v.object(entries), given, { abortPipeEarly: true })
  for (const issue of parsed.issues ?? []) problems.push(`${v.getDotPath(issue)} ${issue.message}`)
  if (!parsed.success || problems.length > 0)
    throw new ConfigError([...new Set(problems)].join('\n'))
  return parsed.output
}

/** What is set of these, from the variable or its file. */
function valuesOf(entries: v.ObjectEntries, env: Env, problems: string[]): Record<string, string> {
  const given: Record<string, string> = {}
  for (const name of Object.keys(entries)) {
    const file = env[`${name}_FILE`]
    if (env[name] && file) problems.push(`${name} and ${name}_FILE are both set`)
    else if (env[name]) given[name] = env[name]
    else if (file) {
      try {
        given[name] = readFileSync(file, 'utf8').trim()
      } catch (error) {
        problems.push(
          `${name}_FILE cannot be read: ${String((error as NodeJS.ErrnoException).code)}`,
        )
      }
    }
  }
  return given
}

function dialectNames(): DialectName[] {
  return Object.keys(dialects) as DialectName[]
}

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { RedisClient } from 'redis'
import { expect } from 'vitest'
import { databaseOf } from '../../src/redis/connection.ts'
import type { Config } from '../../src/config.ts'
import type { Address } from '../../src/host-setting.ts'
import type { WorkerConfig } from '../../worker-stub/config.ts'

type AnyConfig = Config | WorkerConfig
/** Holds what was made of a value that was taken against the value itself. */
type Check = (config: AnyConfig, value: string) => void

const gateway = (config: AnyConfig): Config => config as Config
const worker = (config: AnyConfig): WorkerConfig => config as WorkerConfig

const numberAs =
  (of: (config: AnyConfig) => unknown, factor = 1): Check =>
  (config, value) => {
    expect(value).toMatch(/^[0-9]+(\.[0-9]+)?$/)
    expect(of(config)).toBe(Number(value) * factor)
  }

const textAs =
  (of: (config: AnyConfig) => unknown): Check =>
  (config, value) => {
    expect(of(config)).toBe(value)
    expect(value).not.toMatch(/^\s|\s$|^["']|["']$|\p{Cc}|\u2028|\u2029/u)
  }

const wordOf =
  (...words: string[]): Check =>
  (_, value) =>
    expect(words).toContain(value)

const flag: Check = (_, value) => expect(['true', 'false', '1', '0']).toContain(value.toLowerCase())

/** Without brackets, and an address of IPv6 in its shortest form. */
function plainHost(hostname: string): string {
  const plain = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(plain) === 6 ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain
}

/** A host that a resolver can look up, and the port that the value names. */
function isHostOf(found: Address, value: string, defaultPort: number): void {
  const text = value.trim()
  const [, name = '', port] =
    isIP(text) === 6 ? ['', text] : (/^(.*?)(?::(\d+))?$/.exec(text) ?? [])
  expect(plainHost(found.host)).toBe(plainHost(name))
  expect(found.port).toBe(Number(port ?? defaultPort))
  const isAddress = isIP(plainHost(name)) !== 0
  expect(isAddress || domainToASCII(name.replaceAll('_', '-')) !== '').toBe(true)
}

const hostAs =
  (of: (config: AnyConfig) => string, defaultPort: number): Check =>
  (config, value) => {
    const { hostname, port } = new URL(of(config))
    isHostOf({ host: hostname, port: Number(port) }, value, defaultPort)
  }

const portAs =
  (of: (config: AnyConfig) => number, defaultPort: number): Check =>
  (config, value) => {
    const isLink = /^(tcp|udp|sctp):\/\/\S+:\d+$/.test(value)
    expect(of(config)).toBe(isLink ? defaultPort : Number(value))
    if (!isLink) expect(value).toMatch(/^[0-9]+$/)
  }

/** A parser of its own sees the same login, host and port in both. */
function isSameServer(url: string, value: string): void {
  const [made, given] = [new URL(url), new URL(value.replace(/^pyamqp/i, 'amqp'))]
  expect(given.host === '' ? 'localhost' : given.hostname).toBe(made.hostname)
  for (const part of ['protocol', 'username', 'password', 'port'] as const) {
    expect(made[part]).toBe(given[part])
  }
  expect(decodeURIComponent(made.username + made.password)).not.toMatch(/\p{Cc}/u)
  // Behind the authority it would be the end of a login that was cut.
  expect(given.pathname + given.search + given.hash).not.toContain('@')
  expect(value.split('@').length).toBeLessThanOrEqual(2)
  expect(given.hash).toBe('')
  expect(made.port).not.toBe('0')
}

const rabbitUrl: Check = (config, value) => {
  isSameServer(config.rabbitUrl, value)
  const { pathname, searchParams } = new URL(config.rabbitUrl)
  expect(Buffer.byteLength(decodeURIComponent(pathname.slice(1)))).toBeLessThanOrEqual(255)
  for (const [name, option] of searchParams) {
    expect(['heartbeat', 'frameMax', 'channelMax']).toContain(name)
    expect(option).toMatch(/^[0-9]+$/)
    expect(Number(new URL(value).searchParams.get(name))).toBe(Number(option))
  }
}

const redisUrl: Check = (config, value) => {
  isSameServer(config.redisUrl, value)
  const { pathname, searchParams } = new URL(value)
  const database = Number(searchParams.get('db') ?? pathname.replace('/', ''))
  expect(Number.isSafeInteger(database)).toBe(true)
  expect(databaseOf(config.redisUrl)).toBe(database)
  // As the driver reads it.
  expect(RedisClient.parseURL(config.redisUrl).database ?? 0).toBe(database)
}

const decodedLogin = ({ rabbitUrl: url }: AnyConfig, part: 'username' | 'password'): string =>
  decodeURIComponent(new URL(url)[part])

/** The fixed key by which a dialect shows a text of its settings. */
const keyOf = (config: AnyConfig, position: number): string =>
  (config.dialect.resultKeys('1')[position] ?? '').slice(0, -2)

const portOf = (url: string): number => Number(new URL(url).port)

/** What each setting has to have become, by its name. */
export const ANSWERS: Readonly<Record<string, Check>> = {
  RABBIT_MQ_URL: rabbitUrl,
  RABBIT_MQ_HOST: hostAs((config) => config.rabbitUrl, 5672),
  RABBIT_MQ_PORT: portAs((config) => portOf(config.rabbitUrl), 5672),
  RABBIT_MQ_LOGIN: textAs((config) => decodedLogin(config, 'username')),
  RABBIT_MQ_PASSWORD: (config, value) => {
    const secret = value.replace(/^[\r\n]+/, '').replace(/[\r\n]+$/, '')
    expect(decodedLogin(config, 'password')).toBe(secret)
    expect(secret).not.toMatch(/^$|\p{Cc}/u)
  },
  QUEUE_NAME: textAs((config) => ('queue' in config ? config.queue : config.queues[0])),
  QUEUE_DURABLE: flag,
  QUEUE_TYPE: wordOf('classic', 'quorum'),
  QUEUE_MAX_PRIORITY: numberAs((config) => config.queueOptions('q').arguments['x-max-priority']),
  QUEUE_MAX_LENGTH: numberAs((config) => config.queueOptions('q').arguments['x-max-length']),
  DELIVERY_LIMIT: numberAs((config) => config.queueOptions('q').arguments['x-delivery-limit']),
  REDIS_URL: redisUrl,
  REDIS_HOST: hostAs((config) => config.redisUrl, 6379),
  REDIS_PORT: portAs((config) => portOf(config.redisUrl), 6379),
  REDIS_PREFIX: textAs((config) => config.redisPrefix),
  RESULT_TTL_S: numberAs(
    (config) => ('gateway' in config ? config.gateway.resultTtlMs : config.resultTtlMs),
    1_000,
  ),
  DIALECT: textAs((config) => config.dialect.name),
  LOG_LEVEL: textAs((config) => config.logLevel),
  STOP_GRACE_S: numberAs((config) => config.stopGraceMs, 1_000),
  LEAVE_GRACE_S: (config, value) => {
    if ('gateway' in config) expect(config.gateway.leaveGraceMs).toBe(Number(value) * 1_000)
  },
  API_HOST: (config, value) => isHostOf(gateway(config).http, value, 6672),
  API_PORT: portAs((config) => gateway(config).http.port, 6672),
  ALLOWED_QUEUES: (config, value) => {
    const names = value.split(',').map((name) => name.trim())
    expect(gateway(config).queues.slice(1)).toEqual([...new Set(names.filter(Boolean))])
    expect(gateway(config).queues.join('')).not.toMatch(/\p{Cc}/u)
  },
  MODELS: (config, value) => {
    const items = value.split(',').filter((item) => item.trim() !== '')
    const models = items.map((item) => {
      const [, id = '', name = ''] =
        /^([^=]+)=\s*llm-api-queue\s*(?::(.*))?$/u.exec(item.trim()) ?? []
      return { id: id.trim(), queue: 'llm-api-queue', name: name.trim() || id.trim() }
    })
    expect(gateway(config).models).toEqual(models)
    expect(JSON.stringify(models)).not.toMatch(/"id":""|\p{Cc}/u)
  },
  TIMEOUT: numberAs((config) => gateway(config).gateway.timeoutMs, 1_000),
  JOB_TTL_S: numberAs((config) => gateway(config).gateway.jobTtlMs, 1_000),
  NOTIFY_CONFIG: textAs((config) => gateway(config).notifyConfig),
  REQUIRE_WORKERS: flag,
  SWEEP_ORPHANS: flag,
  MAX_PENDING: numberAs((config) => gateway(config).gateway.maxPending),
  MAX_BACKGROUND: numberAs((config) => gateway(config).maxBackground),
  MAX_BODY_BYTES: numberAs((config) => gateway(config).http.maxBodyBytes),
  V1_MAX_BODY_BYTES: numberAs((config) => gateway(config).http.v1MaxBodyBytes),
  V1_MAX_HELD_BYTES: numberAs((config) => gateway(config).http.v1MaxHeldBytes),
  REDIS_PREFIX_FOR_STATUS: textAs((config) => keyOf(config, 0)),
  REDIS_PREFIX_FOR_ANSWER: textAs((config) => keyOf(config, 1)),
  BASE_PRIORITY: (_, value) => expect(value).toMatch(/^[0-9]+$/),
  CELERY_TASK_NAME: textAs((config) => {
    const job = { id: '1', owner: '', queue: 'q', messages: [], priority: null, source: 'x' }
    const meta = { temperature: null, tokensLimit: null, stopWords: null, model: null }
    const of = { wireId: '1', run: 'r', expiresAt: new Date(0) }
    return config.dialect.encodeJob({ ...job, meta }, of).headers?.task
  }),
  CELERY_BROKER_URL: rabbitUrl,
  CELERY_RESULT_BACKEND: redisUrl,
  WORKER_CONCURRENCY: numberAs((config) => worker(config).concurrency),
  ENGINE: textAs((config) => worker(config).engine),
  ECHO_DELAY_MS: numberAs((config) => worker(config).echo.delayMs),
  ECHO_TOKENS_PER_S: numberAs((config) => worker(config).echo.tokensPerS),
  ECHO_FAILURE_RATE: numberAs((config) => worker(config).echo.failureRate),
  INNER_LLM_URL: (config, value) => {
    expect(worker(config).openai.url).toBe(value)
    const { username, password, host } = new URL(value.replace(/^(?!https?:)/i, 'http://'))
    expect({ username, password, hasHost: host !== '' }).toEqual({
      username: '',
      password: '',
      hasHost: true,
    })
  },
  INNER_LLM_MODEL: textAs((config) => worker(config).openai.model),
  INNER_LLM_TEMPERATURE: numberAs((config) => worker(config).openai.temperature),
  INNER_LLM_MAX_TOKENS: numberAs((config) => worker(config).openai.maxTokens),
  INNER_LLM_RETRY_S: numberAs((config) => worker(config).openai.patienceMs / 1000),
  INNER_LLM_API_KEY: (config, value) => {
    const { apiKey } = worker(config).openai
    expect(apiKey).toBe(value.trim())
    expect(new Headers({ authorization: `Bearer ${apiKey}` }).has('authorization')).toBe(true)
  },
}

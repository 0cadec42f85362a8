import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { readWorkerConfig } from '../../worker-stub/config.ts'

describe('readConfig', () => {
  test('without any variable it is what protollm_api assumes', () => {
    const config = readConfig({})
    expect(config).toMatchObject({
      http: {
        host: '127.0.0.1',
        port: 6672,
        maxBodyBytes: 1_048_576,
        v1MaxBodyBytes: 12_582_912,
        v1MaxHeldBytes: 268_435_456,
      },
      rabbitUrl: 'amqp://admin:admin@localhost:5672',
      redisUrl: 'redis://localhost:6379',
      redisPrefix: 'llm-api',
      queues: ['llm-api-queue'],
      notifyConfig: 'set',
      gateway: { timeoutMs: 300_000, jobTtlMs: 3_600_000, resultTtlMs: 3_600_000 },
    })
    expect(config.dialect).toMatchObject({ name: 'protollm-v1', queue: { durable: false } })
  })

  test('an empty variable counts as unset, as compose passes it', () => {
    expect(readConfig({ TIMEOUT: '', REDIS_URL: '' }).gateway.timeoutMs).toBe(300_000)
  })

  test('a URL wins over the parts, and a login is escaped', () => {
    const parts = { RABBIT_MQ_HOST: 'mq', RABBIT_MQ_LOGIN: 'a@b', RABBIT_MQ_PASSWORD: 'p/w' }
    expect(readConfig(parts).rabbitUrl).toBe('amqp://a%40b:p%2Fw@mq:5672')
    const url = 'amqps://u:p@host:5671/vhost'
    expect(readConfig({ ...parts, RABBIT_MQ_URL: url }).rabbitUrl).toBe(url)
  })

  test.each(['True', 'true', '1'])('QUEUE_DURABLE=%s as protollm_api’s .env has it', (value) => {
    expect(readConfig({ QUEUE_DURABLE: value }).queueOptions('q').durable).toBe(true)
  })

  test('a quorum queue that is not to be durable is refused: there is none', () => {
    const both = { QUEUE_TYPE: 'quorum', QUEUE_DURABLE: 'false' }
    expect(() => readConfig(both)).toThrow('QUEUE_DURABLE must not be false with QUEUE_TYPE quorum')
  })

  test('a queue has as many priorities as its worker declares, or as told', () => {
    const declared = (env: Record<string, string>) => readConfig(env).queueOptions('q')
    expect(declared({}).arguments).toEqual({})
    const newer = { QUEUE_DURABLE: 'true', QUEUE_MAX_PRIORITY: '5' }
    expect(declared(newer)).toEqual({ durable: true, arguments: { 'x-max-priority': 5 } })
    expect(declared({ DIALECT: 'protollm-v1.1' })).toEqual(declared(newer))
    const quorum = { QUEUE_TYPE: 'quorum', QUEUE_MAX_PRIORITY: '5' }
    expect(() => readConfig(quorum)).toThrow('QUEUE_MAX_PRIORITY must not be set')
  })

  test('only the settings of the dialect that is spoken are looked at', () => {
    const theirs = { CELERY_RESULT_BACKEND: 'rpc://', BASE_PRIORITY: 'high' }
    expect(readConfig(theirs).dialect.name).toBe('protollm-v1')
    expect(() => readConfig({ ...theirs, DIALECT: 'protollm-v1.1' })).toThrow('BASE_PRIORITY')
    const celery = { ...theirs, DIALECT: 'celery-v2' }
    expect(() => readConfig(celery)).toThrow('CELERY_RESULT_BACKEND must be a URL')
  })

  test('a dialect named by a file has its settings as well', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-test-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'dialect'), 'protollm-v1.1\n')
    const { dialect } = readConfig({ DIALECT_FILE: join(directory, 'dialect') })
    expect(dialect.resultKeys('1')).toEqual(['job-status:1', 'job-answer:1'])
  })

  test('an address of IPv6 and a list of addresses are told apart', () => {
    const parts = { RABBIT_MQ_HOST: '::1', REDIS_HOST: '::1' }
    expect(readConfig(parts)).toMatchObject({
      rabbitUrl: 'amqp://admin:admin@[::1]:5672',
      redisUrl: 'redis://[::1]:6379',
    })
    const several = { DIALECT: 'celery-v2', CELERY_BROKER_URL: 'amqp://a//;amqp://b//' }
    expect(() => readConfig(several)).toThrow('CELERY_BROKER_URL must be one address')
  })

  test('a Celery application’s addresses count where ours are not set', () => {
    const celery = {
      DIALECT: 'celery-v2',
      CELERY_BROKER_URL: 'amqp://u:p@mq//',
      CELERY_RESULT_BACKEND: 'redis://cache/1',
    }
    expect(readConfig(celery)).toMatchObject({
      rabbitUrl: 'amqp://u:p@mq',
      redisUrl: 'redis://cache/1',
    })
    expect(readWorkerConfig(celery).redisUrl).toBe('redis://cache/1')
    const ours = { RABBIT_MQ_HOST: 'ours', REDIS_URL: 'redis://ours' }
    expect(readConfig({ ...celery, ...ours })).toMatchObject({
      rabbitUrl: 'amqp://admin:admin@ours:5672',
      redisUrl: 'redis://ours',
    })
    expect(readConfig({ ...celery, DIALECT: 'protollm-v1' }).redisUrl).toContain('localhost')
  })

  test('what a 1.1 worker looks for may not be gone before its message', () => {
    const env = { DIALECT: 'protollm-v1.1', JOB_TTL_S: '7200', RESULT_TTL_S: '3600' }
    expect(() => readConfig(env)).toThrow('RESULT_TTL_S must be at least JOB_TTL_S')
    expect(readConfig({ ...env, DIALECT: 'celery-v2' }).dialect.name).toBe('celery-v2')
  })

  test('the default queue comes first, and no queue twice', () => {
    const { queues } = readConfig({ QUEUE_NAME: 'a', ALLOWED_QUEUES: 'b, a,c,' })
    expect(queues).toEqual(['a', 'b', 'c'])
  })

  test('a secret is read from the file NAME_FILE names, without its last newline', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-test-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'secret'), 's3cret\n')
    const { rabbitUrl } = readConfig({ RABBIT_MQ_PASSWORD_FILE: join(directory, 'secret') })
    expect(rabbitUrl).toContain(':s3cret@')
  })

  test('every bad variable is named at once, and no value is repeated', () => {
    const bad = {
      API_PORT: '99999',
      TIMEOUT: 'canary',
      REDIS_URL: 'http://user:canary@host',
      REDIS_PREFIX: 'a*canary',
      DIALECT: 'canary',
      NOTIFY_CONFIG: 'canary',
      QUEUE_DURABLE: 'canary',
      RABBIT_MQ_PASSWORD_FILE: '/nowhere/canary',
    }
    const read = () => readConfig(bad)
    for (const name of Object.keys(bad)) expect(read).toThrow(name)
    expect(read).not.toThrow('canary')
  })

  test('an outcome may not be gone before its request', () => {
    expect(() => readConfig({ TIMEOUT: '10', RESULT_TTL_S: '9' })).toThrow('RESULT_TTL_S')
  })

  test('a setting and its file are not both taken', () => {
    const both = { RABBIT_MQ_PASSWORD: 'a', RABBIT_MQ_PASSWORD_FILE: '/nowhere' }
    expect(() => readConfig(both)).toThrow('are both set')
  })

  test('numbers are decimal and nothing else', () => {
    for (const value of ['1e3', '0x10', '-1', ' 5', 'Infinity', 'NaN', '1.5']) {
      expect(() => readConfig({ JOB_TTL_S: value })).toThrow('JOB_TTL_S')
    }
  })
})

describe('readWorkerConfig', () => {
  test('shares the addresses with the gateway and has an engine of its own', () => {
    const config = readWorkerConfig({
      RABBIT_MQ_HOST: 'mq',
      ENGINE: 'openai',
      INNER_LLM_MODEL: 'm',
    })
    expect(config).toMatchObject({
      rabbitUrl: 'amqp://admin:admin@mq:5672',
      engine: 'openai',
      openai: { url: 'localhost:8670', model: 'm' },
    })
  })

  test.each(['ht tp://x', 'ftp://host', 'http://', ':', 'http://u:p@host'])(
    'INNER_LLM_URL=%s is refused',
    (url) => {
      expect(() => readWorkerConfig({ INNER_LLM_URL: url })).toThrow('INNER_LLM_URL')
    },
  )

  test('names its bad variables too', () => {
    expect(() => readWorkerConfig({ ECHO_FAILURE_RATE: '2', ENGINE: 'gpu' })).toThrow(
      /ECHO_FAILURE_RATE.*ENGINE|ENGINE.*ECHO_FAILURE_RATE/s,
    )
  })
})

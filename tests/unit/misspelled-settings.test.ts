import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { gatewaySettingNames } from '../../src/config.ts'
import { misspelledIn } from '../../src/misspelled-settings.ts'
import { workerSettingNames } from '../../worker-stub/config.ts'

const nearest = (name: string, known: readonly string[] = gatewaySettingNames) =>
  misspelledIn({ [name]: 'canary' }, known).map((found) => found.nearest)[0]

describe('a name that is nearly that of a setting', () => {
  test.each([
    ['REDIS_HOTS', 'REDIS_HOST'],
    ['REDSI_HOST', 'REDIS_HOST'],
    ['REDIS_HOSTS', 'REDIS_HOST'],
    ['REDISHOST', 'REDIS_HOST'],
    ['redis_host', 'REDIS_HOST'],
    ['REDIS-HOST', 'REDIS_HOST'],
    ['RABBITMQ_HOST', 'RABBIT_MQ_HOST'],
    ['RABIT_MQ_PASWORD', 'RABBIT_MQ_PASSWORD'],
    ['RABBIT_MQ_PASSWORD_FIEL', 'RABBIT_MQ_PASSWORD_FILE'],
    ['MODEL', 'MODELS'],
    ['TIMEOUTS', 'TIMEOUT'],
    ['TIMOUT', 'TIMEOUT'],
    ['QUEUE_NAMES', 'QUEUE_NAME'],
    ['ALLOWED_QUEUE', 'ALLOWED_QUEUES'],
    ['MAX_PENDNIG', 'MAX_PENDING'],
    ['V1_MAX_BODY_BYTE', 'V1_MAX_BODY_BYTES'],
    ['RESULT_TTL', 'RESULT_TTL_S'],
    ['CELERY_BROKER_URI', 'CELERY_BROKER_URL'],
    ['LOG_LEVL', 'LOG_LEVEL'],
  ])('%s is logged with %s', (name, setting) => {
    expect(nearest(name)).toBe(setting)
  })

  test('is logged with all others, and never with its value', () => {
    const found = misspelledIn(
      { REDIS_HOTS: 'canary', PATH: '/bin', LOG_LEVL: 'canary', API_PORT: '1', API_PROT: '' },
      gatewaySettingNames,
    )
    expect(found).toEqual([
      { name: 'REDIS_HOTS', nearest: 'REDIS_HOST' },
      { name: 'LOG_LEVL', nearest: 'LOG_LEVEL' },
    ])
  })
})

describe('a name that is not ours is left alone', () => {
  test.each([
    'PATH',
    'HOME',
    'MODE',
    'HOST',
    'PORT',
    'HOSTNAME',
    'LOGNAME',
    'NODE_ENV',
    'REDIS_SERVICE_HOST',
    'REDIS_SERVICE_PORT',
    'REDIS_PORT_6379_TCP',
    'REDIS_PORT_6379_TCP_ADDR',
    'API_SERVICE_HOST',
    'KUBERNETES_PORT',
    'OPENAI_API_KEY',
    'npm_config_cache',
    'NO_PROXY',
  ])('%s', (name) => {
    expect(nearest(name)).toBeUndefined()
    expect(nearest(name, workerSettingNames)).toBeUndefined()
  })

  test('each that .env.example has for the other program or for compose, and its file', () => {
    const lines = readFileSync('.env.example', 'utf8').split('\n')
    const names = lines.flatMap((line) => /^(?:# )?([A-Z][A-Z0-9_]*)=/.exec(line)?.[1] ?? [])
    expect(names.length).toBeGreaterThan(50)
    for (const known of [gatewaySettingNames, workerSettingNames]) {
      const env = Object.fromEntries(
        names.flatMap((name) => [
          [name, 'x'],
          [`${name}_FILE`, 'x'],
        ]),
      )
      expect(misspelledIn(env, known)).toEqual([])
    }
  })
})

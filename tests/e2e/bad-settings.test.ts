import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { programOf } from '../support/bundle.ts'
import { startProgram } from '../support/program.ts'
import { freshSettings } from '../support/scene.ts'
import type { Settings } from '../support/scene.ts'

/** All that a program says that ends at its start, and how it ends. */
function run(entry: string, settings: Settings) {
  const env = { PATH: process.env.PATH, ...settings }
  const args = [programOf(entry)]
  return spawnSync(process.execPath, args, { env, encoding: 'utf8', timeout: 20_000 })
}

const SECRET = 'canary-secret'
const KUBERNETES = {
  REDIS_SERVICE_HOST: '10.96.0.7',
  REDIS_SERVICE_PORT: '6379',
  REDIS_PORT: 'tcp://10.96.0.7:6379',
  REDIS_PORT_6379_TCP: 'tcp://10.96.0.7:6379',
  REDIS_PORT_6379_TCP_ADDR: '10.96.0.7',
}

describe.each(['src/main.ts', 'worker-stub/main.ts'])('%s', (entry) => {
  test.each<[names: string, settings: Settings]>([
    ['RABBIT_MQ_HOST', { RABBIT_MQ_HOST: 'amqp://mq', RABBIT_MQ_PASSWORD: SECRET }],
    ['RABBIT_MQ_HOST', { RABBIT_MQ_HOST: 'mq:', RABBIT_MQ_PASSWORD: SECRET }],
    ['RABBIT_MQ_HOST', { RABBIT_MQ_HOST: `user:${SECRET}@mq` }],
    ['RABBIT_MQ_URL', { RABBIT_MQ_URL: `amqp://admin:12#45${SECRET}@rabbit:5672` }],
    ['RABBIT_MQ_URL', { RABBIT_MQ_URL: `amqps://u:${SECRET}@h?cacertfile=/${SECRET}` }],
    ['RABBIT_MQ_PASSWORD', { RABBIT_MQ_PASSWORD: `"${SECRET}"` }],
    ['REDIS_URL', { REDIS_URL: `redis://default:12/${SECRET}@cache:6379/0` }],
    ['REDIS_URL', { REDIS_URL: `rediss://:${SECRET}@cache/0?ssl_cert_reqs=CERT_NONE` }],
    ['REDIS_URL', { REDIS_URL: `redis://cache/${SECRET}` }],
    ['REDIS_PORT', KUBERNETES],
    ['QUEUE_NAME', { QUEUE_NAME: `${SECRET}\r` }],
    [
      'RABBIT_MQ_PASSWORD REDIS_HOST STOP_GRACE_S',
      { RABBIT_MQ_PASSWORD: `${SECRET}\n${SECRET}`, REDIS_HOST: '[::', STOP_GRACE_S: SECRET },
    ],
  ])('ends with 78 and names %s: case %#', (names, settings) => {
    const { status, signal, stdout, stderr } = run(entry, settings)
    expect({ status, signal, stdout }).toEqual({ status: 78, signal: null, stdout: '' })
    const lines = stderr.trimEnd().split('\n')
    expect(lines.map((line) => line.split(' ')[0]).join(' ')).toBe(names)
    expect(stderr).not.toMatch(/canary|10\.96|\n +at /)
  })
})

test.each([
  ['src/main.ts', 'gateway.listening'],
  ['worker-stub/main.ts', 'worker.consuming'],
])(
  '%s warns at its start of a misspelled setting, and does not show its value',
  async (entry, event) => {
    const settings = { ...freshSettings(), RABBIT_MQ_PASWORD: SECRET, REDIS_PASSWORT: SECRET }
    const program = startProgram(entry, settings)
    await program.log.until(event)
    expect(program.log.named('settings.unknown_name')).toMatchObject([
      { level: 'warn', name: 'RABBIT_MQ_PASWORD', nearest: 'RABBIT_MQ_PASSWORD' },
    ])
    expect(JSON.stringify(program.log.all)).not.toContain(SECRET)
  },
)

test('the stub names a key that no header can carry, and does not show it', () => {
  const { status, stderr } = run('worker-stub/main.ts', { INNER_LLM_API_KEY: `${SECRET}-ключ` })
  expect(status).toBe(78)
  expect(stderr).toMatch(/^INNER_LLM_API_KEY must/)
  expect(stderr).not.toContain(SECRET)
})

import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { READERS, complaint } from '../support/complaint.ts'

const HOST = /HOST must/

describe.each(READERS)('a host of a server, read by the %s,', (_, read) => {
  test.each([
    ['rabbitmq', 'rabbitmq'],
    ['rabbit_mq-1.Example.com', 'rabbit_mq-1.Example.com'],
    ['rabbitmq.svc.cluster.local.', 'rabbitmq.svc.cluster.local.'],
    ['xn--bcher-kva', 'xn--bcher-kva'],
    ['4mq', '4mq'],
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '[::1]'],
    ['[::1]', '[::1]'],
    ['fd00::A', '[fd00::A]'],
    ['::ffff:10.0.0.1', '[::ffff:10.0.0.1]'],
    [' rabbitmq', 'rabbitmq'],
    ['\trabbitmq\r\n', 'rabbitmq'],
  ])('%j is taken', (value, inUrl) => {
    expect(read({ RABBIT_MQ_HOST: value, REDIS_HOST: value })).toMatchObject({
      rabbitUrl: `amqp://admin:admin@${inUrl}:5672`,
      redisUrl: `redis://${inUrl}:6379`,
    })
  })

  test.each([
    ['rabbitmq:5671', 'rabbitmq:5671'],
    ['10.0.0.1:1', '10.0.0.1:1'],
    ['[::1]:65535', '[::1]:65535'],
    // Without brackets all of it is an address.
    ['::1:5672', '[::1:5672]:5672'],
    ['rabbitmq:05671', 'rabbitmq:5671'],
  ])('%j has its port', (value, inUrl) => {
    const env = { RABBIT_MQ_HOST: value }
    expect(read(env)).toMatchObject({ rabbitUrl: `amqp://admin:admin@${inUrl}` })
  })

  test('may say the same port as the variable for it, and no other', () => {
    const env = { REDIS_HOST: 'redis:6380', REDIS_PORT: '6380' }
    expect(read(env)).toMatchObject({ redisUrl: 'redis://redis:6380' })
    const other = complaint(read, { ...env, REDIS_PORT: '6379' })
    expect(other).toBe('REDIS_HOST must not have another port than REDIS_PORT')
    const idle = { ...env, REDIS_PORT: '6379', REDIS_URL: 'redis://h' }
    expect(read(idle)).toMatchObject({ redisUrl: 'redis://h' })
  })

  test.each<readonly [value: string, why: RegExp]>([
    ['amqp://mq', /without a scheme/],
    ['redis://redis:6379', /without a scheme/],
    ['tcp://10.0.0.1', /without a scheme/],
    ['user@mq', /without a login/],
    ['user:canary@mq', /without a login/],
    ['mq/vhost', /without a login, a path/],
    ['mq?x', /a query/],
    ['mq#x', /a query/],
    ['mq\\x', /a query/],
    ['mq:0', /a port from 1 to 65535/],
    ['mq:65536', /a port from 1 to 65535/],
    ['[::1]:99999', /a port from 1 to 65535/],
    ['"mq"', /in quotes/],
    ["'mq'", /in quotes/],
    [' ', /must not be empty/],
    ...[
      'mq:',
      'mq:amqp',
      'mq:5672:5672',
      ':5672',
      '[::1',
      '::1]',
      '[::1]5672',
      '[mq]',
      '[]',
      '[::1]:',
      'fe80::1%eth0',
      'a,b',
      'a b',
      'a\nb',
      'mq\0',
      'bücher',
      'xn--a',
      'mq%20',
      'a..b',
      '.mq',
      '-mq',
      '$HOST',
      '{{host}}',
      '5672',
      '127.1',
      '10.0.0.256',
      '10.0.0.01',
      '0x7f.1',
      'x'.repeat(64),
      'x.'.repeat(127),
      ':::1',
      '1:2',
    ].map((value) => [value, /must be a host name or an IP address/] as const),
  ])('%j is refused by name', (value, why) => {
    for (const name of ['RABBIT_MQ_HOST', 'REDIS_HOST']) {
      const said = complaint(read, { [name]: value })
      expect(said).toMatch(new RegExp(`^${name} (?=.*${why.source})`))
      expect(said).not.toContain('canary')
    }
  })
})

describe('the host and port to listen on', () => {
  test.each([
    ['0.0.0.0', undefined, '0.0.0.0', 6672],
    ['::', undefined, '::', 6672],
    ['[::]', '80', '::', 80],
    ['0.0.0.0:80', undefined, '0.0.0.0', 80],
    ['0.0.0.0:80', '80', '0.0.0.0', 80],
    [undefined, '0', '127.0.0.1', 0],
    ['localhost ', '65535', 'localhost', 65_535],
  ])('API_HOST=%j API_PORT=%j', (API_HOST, API_PORT, host, port) => {
    expect(readConfig({ API_HOST, API_PORT }).http).toMatchObject({ host, port })
  })

  test.each(['http://0.0.0.0', '0.0.0.0/', '*', '0.0.0.0:http', '0.0.0', '[::]]'])(
    'API_HOST=%j is refused by name',
    (API_HOST) => expect(complaint(readConfig, { API_HOST })).toMatch(HOST),
  )

  test.each(['65536', '-1', '6672/tcp', ':6672', '1e3', '', ' 6672', '6672\r', '"6672"', 'http'])(
    'API_PORT=%j is a number or is refused by name',
    (API_PORT) => {
      const said = complaint(readConfig, { API_PORT })
      expect(said).toMatch(API_PORT === '' ? /^$/ : /^API_PORT must/)
    },
  )
})

describe.each(READERS)(
  'a variable that Kubernetes sets for a Service, read by the %s,',
  (_, read) => {
    const link = 'tcp://10.96.0.7:6379'

    test('is taken where it says what is meant without it', () => {
      const env = { REDIS_HOST: 'redis', REDIS_PORT: link }
      expect(read(env)).toMatchObject({ redisUrl: 'redis://redis:6379' })
    })

    test('counts for nothing where an address or the host says the port', () => {
      const other = { REDIS_PORT: 'tcp://10.96.0.7:1' }
      const url = { ...other, REDIS_URL: 'redis://cache' }
      expect(read(url)).toMatchObject({ redisUrl: 'redis://cache' })
      const host = { ...other, REDIS_HOST: 'cache:6380' }
      expect(read(host)).toMatchObject({ redisUrl: 'redis://cache:6380' })
    })

    test.each([
      ['REDIS_PORT', { REDIS_PORT: link }],
      ['REDIS_PORT', { REDIS_PORT: 'tcp://[fd00::7]:6380', REDIS_HOST: 'redis' }],
      ['RABBIT_MQ_PORT', { RABBIT_MQ_PORT: 'udp://10.96.0.7:5671', RABBIT_MQ_HOST: 'mq' }],
    ])('is refused by the name of %s, with the mend', (name, env) => {
      const said = complaint(read, env)
      expect(said).toMatch(new RegExp(`^${name} must be a port and not an address`))
      expect(said).toContain('enableServiceLinks: false')
      expect(said).not.toMatch(/10\.96|fd00/)
    })

    test('is a bad port where it is no such address', () => {
      for (const value of ['tcp://', 'tcp://h', 'tcp://h:0', 'tcp://h:65536', 'http://h:80']) {
        expect(complaint(read, { REDIS_PORT: value })).toMatch(/^REDIS_PORT must/)
      }
    })
  },
)

test('API_PORT that Kubernetes sets is taken, or refused with the mend', () => {
  const API_HOST = '0.0.0.0'
  expect(readConfig({ API_HOST, API_PORT: 'tcp://10.0.0.1:6672' }).http.port).toBe(6672)
  const said = complaint(readConfig, { API_HOST, API_PORT: 'tcp://10.0.0.1:80' })
  expect(said).toMatch(/^API_PORT must.*enableServiceLinks: false/)
})

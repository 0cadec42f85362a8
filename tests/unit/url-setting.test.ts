import { describe, expect, test } from 'vitest'
import { READERS, complaint } from '../support/complaint.ts'

const CELERY = { DIALECT: 'celery-v2' }
/** Each variable that holds an address of this kind of server, and what has to be set besides. */
const RABBIT = [
  ['RABBIT_MQ_URL', {}],
  ['CELERY_BROKER_URL', CELERY],
] as const
const REDIS = [
  ['REDIS_URL', {}],
  ['CELERY_RESULT_BACKEND', CELERY],
] as const

const LOGIN = /login in which # \/ \? @ are written as %23 %2F %3F %40/

describe.each(READERS)('the address of RabbitMQ, read by the %s,', (_, read) => {
  const rabbitOf = (url: string, [name, more]: (typeof RABBIT)[number] = RABBIT[0]) =>
    (read({ ...more, [name]: url }) as { rabbitUrl: string }).rabbitUrl

  test.each([
    'amqp://mq',
    'amqps://u:p@mq:5671/vhost',
    'amqp://u:%23%2F%3F%40%25@mq',
    'amqp://us:a:b@mq',
    'amqp://u:p!$&()*+,;=~[]^|{}"<>`\\@mq',
    'amqp://u:%D0%BF%20x@mq/%2F',
    'amqp://u@mq',
    'amqp://[::1]:5672',
    'amqp://10.0.0.1:5672/a/b',
    'amqp://mq/vhost?heartbeat=10',
    'amqp://mq?heartbeat=0&frameMax=8192&channelMax=2047',
  ])('%s is taken as it is', (url) => {
    expect(rabbitOf(url)).toBe(url)
    expect(URL.canParse(url)).toBe(true)
  })

  test.each([
    ['AMQP://mq', 'amqp://mq'],
    ['amqp://', 'amqp://localhost'],
    ['amqp://mq:05672', 'amqp://mq:5672'],
    ['amqps://mq?verify=verify_peer', 'amqps://mq'],
    ['amqps://mq/v?verify=verify_peer&heartbeat=7', 'amqps://mq/v?heartbeat=7'],
    ['amqp://mq?', 'amqp://mq'],
  ])('%s is %s', (url, same) => expect(rabbitOf(url)).toBe(same))

  test.each([
    ['amqp://admin:12#45canary@rabbit:5672', LOGIN],
    ['amqp://u:12?34canary@h', LOGIN],
    ['amqp://u:12/34canary@h', LOGIN],
    ['amqp://admin:pa#canary@rabbit', LOGIN],
    ['amqp://admin:pa/canary@rabbit', LOGIN],
    ['amqp://admin:pa?canary@rabbit', LOGIN],
    ['amqp://admin:pa@canary@rabbit', LOGIN],
    ['amqp://ad#min:canary@rabbit', LOGIN],
    ['amqp://:57#canary@h/vhost', LOGIN],
    ['amqp://u:12#canary', LOGIN],
    ['amqp://u:canary%@h', /%25/],
    ['amqp://u:canary%zz@h', /%25/],
    ['amqp://u:canary%ff@h', /%25/],
    ['amqp://u:canary%00@h', /control characters/],
    ['amqp://u:canary%0A@h', /control characters/],
    ['amqp://u:can ary@h', /blanks or line breaks/],
    [' amqp://u:canary@h', /blanks or line breaks/],
    ['amqp://u:canary@h\n', /blanks or line breaks/],
    ['amqp://u:can\nary@h', /blanks or line breaks/],
    ['amqp://u:can\u200bary@h', /blanks or line breaks/],
    ['"amqp://u:canary@h"', /in quotes/],
    ["'amqp://u:canary@h'", /in quotes/],
    ['http://u:canary@h', /begins with amqp:/],
    ['canary', /begins with amqp:/],
    ['amqp:canary', /begins with amqp:/],
    ['amqp:/canary', /begins with amqp:/],
    ['//u:canary@h', /begins with amqp:/],
    ['amqp://u:canary@', /host/],
    ['amqp://u:canary@:5672', /host/],
    ['amqp://u:canary@h:', /host/],
    ['amqp://u:canary@h:0', /port from 1/],
    ['amqp://u:canary@h:65536', /port from 1/],
    ['amqp://u:canary@h:port', /host/],
    ['amqp://u:canary@h,i', /host/],
    ['amqp://u:canary@h%20', /host/],
    ['amqp://u:canary@[::1', /host/],
    ['amqp://u:canary@::1', /brackets around its IPv6/],
    ['amqp://::1:5672', /brackets around its IPv6/],
    ['amqp://u:canary@bücher', /xn--/],
    ['amqp://h/canary%', /virtual host/],
    ['amqp://h/%ff', /virtual host/],
    ['amqp://h/canary%00', /virtual host/],
    ['amqp://h/.', /virtual host other than/],
    ['amqp://h/%2E%2e', /virtual host other than/],
    ['amqp://h/a/../b', /virtual host other than/],
    [`amqp://h/${'v'.repeat(256)}`, /at most 255/],
    ['amqp://h?heartbeat=x', /whole number.*heartbeat/],
    ['amqp://h?heartbeat=', /whole number.*heartbeat/],
    ['amqp://h?heartbeat', /whole number.*heartbeat/],
    ['amqp://h?heartbeat=65536', /at most 65535.*heartbeat/],
    ['amqp://h?heartbeat=5&heartbeat=0', /twice/],
    ['amqp://h?frameMax=100', /at least 4096.*frameMax/],
    ['amqp://h?channelMax=1', /at least 16.*channelMax/],
    ['amqp://h?channel_max=100', /channel_max: it is written channelMax/],
    ['amqps://h?verify=verify_none', /verify: the certificate is always checked/],
    ['amqp://h?verify=verify_peer', /verify/],
    ['amqps://h?cacertfile=/canary.pem', /cacertfile: NODE_EXTRA_CA_CERTS/],
    ['amqps://h?certfile=/c&keyfile=/k', /certfile: a certificate of the client/],
    ['amqp://h?ssl=true', /option ssl/],
    ['amqp://h?locale=en_US', /option locale/],
    ['amqp://h?canary=1', /options other than heartbeat/],
    ['amqp://h?__proto__=1', /options other than heartbeat/],
    ['amqp://h?constructor=1', /options other than heartbeat/],
    ['amqp://h#canary', /nothing behind a #/],
  ])('%j is refused by name', (url, why) => {
    for (const [name, more] of RABBIT) {
      const said = complaint(read, { ...more, [name]: url })
      expect(said).toMatch(new RegExp(`^${name} (?=.*${why.source})`))
      expect(said).not.toMatch(/canary|can.?ary/)
    }
  })

  test('as Celery names it is one address', () => {
    expect(rabbitOf('pyamqp://u:a;b@mq//', RABBIT[1])).toBe('amqp://u:a%3Bb@mq')
    const several = { ...CELERY, CELERY_BROKER_URL: 'amqp://a:canary@b;amqp://c' }
    expect(complaint(read, several)).toBe('CELERY_BROKER_URL must be one address')
  })
})

describe.each(READERS)('the address of Redis, read by the %s,', (_, read) => {
  const redisOf = (url: string) => (read({ REDIS_URL: url }) as { redisUrl: string }).redisUrl

  test.each([
    'redis://redis',
    'rediss://u:p@redis:6380/3',
    'redis://:p@redis/',
    'redis://default:%23%2F%3F%40@[fd00::1]:6379/0',
  ])('%s is taken as it is', (url) => expect(redisOf(url)).toBe(url))

  test.each([
    ['redis://h?db=2', 'redis://h/2'],
    ['redis://h/?db=02', 'redis://h/2'],
    ['redis://h/2?db=2', 'redis://h/2'],
    ['redis://', 'redis://localhost'],
    ['redis:///0', 'redis://localhost/0'],
    ['rediss://h/1?ssl_cert_reqs=CERT_REQUIRED', 'rediss://h/1'],
    ['rediss://h?ssl_cert_reqs=required&db=1', 'rediss://h/1'],
    ['rediss://h?ssl_cert_reqs=optional', 'rediss://h'],
  ])('%s is %s', (url, same) => expect(redisOf(url)).toBe(same))

  test.each([
    ['redis://default:57#canary@127.0.0.1:6379/0', LOGIN],
    ['redis://:57#canary@h', LOGIN],
    ['redis://default:12/canary@cache:6379/0', LOGIN],
    ['redis://default:12?canary@cache:6379/0', LOGIN],
    ['redis://default:12@canary@cache:6379/0', LOGIN],
    ['redis://u:canary%zz@h', /%25/],
    ['redis://u:canary@a:6379,b:6379', /host/],
    ['redis+sentinel://canary', /begins with redis:/],
    ['unix:///canary.sock', /begins with redis:/],
    ['redis://h/canary', /number of a database/],
    ['redis://h/0/1', /number of a database/],
    ['redis://h/-1', /number of a database/],
    ['redis://h/1.5', /number of a database/],
    ['redis://h/0x1', /number of a database/],
    ['redis://h//', /number of a database/],
    ['redis://h/1?db=2', /another database/],
    ['redis://h/canary?db=2', /number of a database/],
    ['redis://h?db=canary', /whole number.*option db/],
    ['redis://h?db=', /whole number.*option db/],
    ['redis://h?db=1&db=1', /twice/],
    ['redis://h?DB=1', /options other than db/],
    ['redis://h?password=canary', /option password/],
    ['redis://h?heartbeat=1', /option heartbeat/],
    ['rediss://h/0?ssl_cert_reqs=CERT_NONE', /ssl_cert_reqs: the certificate is always checked/],
    ['rediss://h/0?ssl_cert_reqs=none', /ssl_cert_reqs: .*NODE_EXTRA_CA_CERTS/],
    ['redis://h/0?ssl_cert_reqs=required', /ssl_cert_reqs/],
    ['rediss://h/0?ssl_ca_certs=/canary.pem', /ssl_ca_certs: NODE_EXTRA_CA_CERTS/],
    ['rediss://h?ssl_certfile=/c', /ssl_certfile: a certificate of the client/],
    ['rediss://h?ssl_check_hostname=false', /ssl_check_hostname/],
    ['redis://h?canary', /options other than db/],
    ['redis://h\r', /blanks or line breaks/],
  ])('%j is refused by name', (url, why) => {
    for (const [name, more] of REDIS) {
      const said = complaint(read, { ...more, [name]: url })
      expect(said).toMatch(new RegExp(`^${name} (?=.*${why.source})`))
      expect(said).not.toContain('canary')
    }
  })
})

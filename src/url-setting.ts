import * as v from 'valibot'
import { hostInUrl, parseHost } from './host-setting.ts'
import {
  NAME_BYTES,
  Problem,
  QUOTED,
  bytesOf,
  integer,
  isInQuotes,
  isVisible,
  parsedBy,
} from './setting.ts'

/** The address of a RabbitMQ: `amqp://user:password@host:5672/vhost?heartbeat=10`. */
export const rabbitUrl = (...schemes: string[]) =>
  parsedBy((value) => {
    const parts = partsOf(value, schemes)
    if (parts instanceof Problem) return parts
    const query = optionsOf(parts, RABBIT_OPTIONS, ofTls(parts, 'amqps', 'verify', /^verify_peer$/))
    const problem = virtualHostProblem(parts.path)
    if (problem !== undefined) return problem
    if (query instanceof Problem) return query
    return inOne(parts, parts.path, query)
  })

/** The address of a Redis: `redis://user:password@host:6379/0`; `?db=0` is the same database. */
export const redisUrl = (...schemes: string[]) =>
  parsedBy((value) => {
    const parts = partsOf(value, schemes)
    if (parts instanceof Problem) return parts
    const isRequired = /^(cert_)?(required|optional)$/i
    const query = optionsOf(
      parts,
      REDIS_OPTIONS,
      ofTls(parts, 'rediss', 'ssl_cert_reqs', isRequired),
    )
    if (query instanceof Problem) return query
    const [, ofPath] = /^\/?(\d{1,9})?$/.exec(parts.path) ?? [parts.path, undefined]
    if (ofPath === undefined && parts.path.length > 1) return new Problem(NO_DATABASE)
    const ofQuery = query.get('db')
    if (ofQuery === null) return inOne(parts, parts.path)
    if (ofPath !== undefined && Number(ofPath) !== Number(ofQuery)) {
      return new Problem('must not have another database in its path than in its option db')
    }
    return inOne(parts, `/${ofQuery}`)
  })

interface Parts {
  readonly scheme: string
  /** With its `@`, or nothing. */
  readonly login: string
  /** With its port. */
  readonly host: string
  readonly path: string
  readonly query: string
}

const RESERVED = 'must have a login in which # / ? @ are written as %23 %2F %3F %40'
const PERCENT = 'must have a login in which % is written as %25'
const NO_DATABASE = 'must have no path but the number of a database, such as /0'

/** Read by hand: a parser of URLs takes `amqp://user:1#2@host` for the host `user`. */
function partsOf(value: string, schemes: readonly string[]): Parts | Problem {
  const isOf = schemes.map((scheme) => `${scheme}://`).join(' or ')
  if (isInQuotes(value)) return new Problem(QUOTED)
  if (/\s/.test(value) || !isVisible(value)) {
    return new Problem(
      'must not contain blanks or line breaks; in a login a blank is written as %20',
    )
  }
  const [, name = '', authority = '', rest = ''] = URL_PARTS.exec(value) ?? []
  const scheme = name.toLowerCase()
  if (!schemes.includes(scheme)) return new Problem(`must be a URL that begins with ${isOf}`)
  const at = authority.lastIndexOf('@')
  const login = authority.slice(0, at + 1)
  if (rest.includes('@') || login.slice(0, -1).includes('@')) return new Problem(RESERVED)
  if (rest.includes('#')) return new Problem(`${RESERVED}, and nothing behind a #`)
  const decoded = decode(login)
  if (decoded === undefined) return new Problem(PERCENT)
  if (!isVisible(decoded)) return new Problem('must have a login without control characters')
  // `amqp://` alone, as Celery has it, is the server on this machine.
  const hostText = authority.slice(at + 1)
  const host = authority === '' ? { host: 'localhost' } : parseHost(hostText)
  if (host instanceof Problem) return new Problem(`is wrong at its host, which ${host.message}`)
  if (host.host.includes(':') && !hostText.startsWith('[')) {
    return new Problem('must have brackets around its IPv6 address')
  }
  const [path = '', ...query] = rest.split('?')
  const port = 'port' in host ? `:${host.port}` : ''
  return { scheme, login, host: hostInUrl(host.host) + port, path, query: query.join('?') }
}

const URL_PARTS = /^([a-z]+):\/\/([^/?#]*)(.*)$/i

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function inOne({ scheme, login, host, path }: Parts, ownPath = path, query?: URLSearchParams) {
  const options = query === undefined || query.size === 0 ? '' : `?${query.toString()}`
  const url = `${scheme}://${login}${host}${ownPath}${options}`
  return URL.canParse(url) ? url : new Problem('must be a URL')
}

function virtualHostProblem(path: string): Problem | undefined {
  const name = decode(path.slice(1))
  if (name === undefined)
    return new Problem('must have a virtual host in which % is written as %25')
  if (!isVisible(name) || bytesOf(name) > NAME_BYTES) {
    return new Problem(`must have a virtual host of at most ${NAME_BYTES} visible bytes`)
  }
  // A parser of URLs takes them for steps between directories.
  return path.split('/').some((part) => /^(\.|%2e){1,2}$/i.test(part))
    ? new Problem('must have a virtual host other than . and ..')
    : undefined
}

/** An option that is passed on, with its values. */
type Options = Readonly<Record<string, v.GenericSchema<string, unknown>>>

const RABBIT_OPTIONS: Options = {
  heartbeat: integer(0, 65_535),
  frameMax: integer(4_096, 2 ** 31 - 1),
  channelMax: integer(16, 65_535),
}
const REDIS_OPTIONS: Options = { db: integer(0, 2 ** 31 - 1) }

const CA = 'NODE_EXTRA_CA_CERTS names the file of a private certificate authority'
const NO_CLIENT = 'a certificate of the client cannot be sent'
const CHECKED = `the certificate is always checked, and ${CA}`
/** Options of other programs. Only names that are listed here are repeated: an unknown one may be part of a password. */
const REFUSED: Readonly<Record<string, string>> = {
  ssl_ca_certs: CA,
  ssl_ca_path: CA,
  ssl_ca_data: CA,
  cacertfile: CA,
  cacerts: CA,
  ssl_cert_reqs: CHECKED,
  ssl_check_hostname: CHECKED,
  verify: CHECKED,
  fail_if_no_peer_cert: CHECKED,
  server_name_indication: CHECKED,
  ssl_certfile: NO_CLIENT,
  ssl_keyfile: NO_CLIENT,
  ssl_keyfile_password: NO_CLIENT,
  certfile: NO_CLIENT,
  keyfile: NO_CLIENT,
  ssl: 'TLS is asked for by the scheme of the URL',
  tls: 'TLS is asked for by the scheme of the URL',
  username: 'a login belongs before the host',
  password: 'a login belongs before the host',
  channel_max: 'it is written channelMax',
  frame_max: 'it is written frameMax',
  connection_timeout: 'the time is fixed',
  auth_mechanism: 'the login is always sent by PLAIN',
  locale: 'it has no effect',
  db: 'a RabbitMQ has none',
  heartbeat: 'a Redis has none',
}

/** The one option of TLS that may be there, because it says what is done anyway. */
function ofTls(parts: Parts, scheme: string, name: string, saysSo: RegExp) {
  return (option: string, value: string): boolean =>
    parts.scheme === scheme && option === name && saysSo.test(value)
}

/** The options that are passed on, or what is wrong with one. */
function optionsOf(
  { query }: Parts,
  taken: Options,
  isDoneAnyway: (option: string, value: string) => boolean,
): URLSearchParams | Problem {
  const kept = new URLSearchParams()
  const names = new Set<string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (names.has(name)) return new Problem('must not have an option twice')
    names.add(name)
    if (isDoneAnyway(name, value)) continue
    const schema = Object.hasOwn(taken, name) ? taken[name] : undefined
    if (schema === undefined) return refusalOf(name, taken)
    const parsed = v.safeParse(schema, value, { abortPipeEarly: true })
    if (!parsed.success) return new Problem(`${parsed.issues[0].message}, in its option ${name}`)
    kept.set(name, String(parsed.output))
  }
  return kept
}

function refusalOf(name: string, taken: Options): Problem {
  if (Object.hasOwn(REFUSED, name)) {
    return new Problem(`must not have the option ${name}: ${REFUSED[name]}`)
  }
  return new Problem(`must not have options other than ${Object.keys(taken).join(', ')}`)
}

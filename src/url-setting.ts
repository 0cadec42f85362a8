import { hostInUrl, parseHost } from './host-setting.ts'
import { NAME_BYTES, Problem, QUOTED, bytesOf, isInQuotes, isVisible, parsedBy } from './setting.ts'
import { rabbitOptions, redisOptions } from './url-option-setting.ts'

/** The address of a RabbitMQ: `amqp://user:password@host:5672/vhost?heartbeat=10`. */
export const rabbitUrl = (...schemes: string[]) =>
  parsedBy((value) => {
    const parts = partsOf(value, schemes)
    if (parts instanceof Problem) return parts
    const query = rabbitOptions(parts)
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
    const query = redisOptions(parts)
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

import * as v from 'valibot'
import { Problem, integer } from './setting.ts'

/** What of a URL its options depend on. */
interface UrlWithOptions {
  readonly scheme: string
  readonly query: string
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

/** The options of RabbitMQ. One of TLS that says what is done anyway is dropped. */
export const rabbitOptions = (url: UrlWithOptions): URLSearchParams | Problem =>
  optionsOf(url.query, RABBIT_OPTIONS, (name, value) => {
    return url.scheme === 'amqps' && name === 'verify' && value === 'verify_peer'
  })

/** The options of Redis. In Python, a client checks a certificate that is "optional" like one that is "required". */
export const redisOptions = (url: UrlWithOptions): URLSearchParams | Problem =>
  optionsOf(url.query, REDIS_OPTIONS, (name, value) => {
    const isChecked = /^(cert_)?(required|optional)$/i.test(value)
    return url.scheme === 'rediss' && name === 'ssl_cert_reqs' && isChecked
  })

/** The options that are passed on, or what is wrong with one. */
function optionsOf(
  query: string,
  taken: Options,
  isDoneAnyway: (name: string, value: string) => boolean,
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

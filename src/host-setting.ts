import * as v from 'valibot'
import { BLANKS_AROUND, EMPTY, Problem, QUOTED, integer, isInQuotes, parsedBy } from './setting.ts'

/** A host as a socket takes it: an IPv6 address has no brackets. */
export interface Host {
  readonly host: string
  readonly port?: number
}

export interface Port {
  readonly port: number
  /** The value is an address: the environment variable of a Kubernetes Service. */
  readonly isServiceLink: boolean
}

const MAX_PORT = 65_535

/** `name`, `name:5672`, `10.0.0.1`, `::1`, `[::1]` or `[::1]:5672`. */
export function parseHost(value: string): Host | Problem {
  const host = value.trim()
  if (host === '') return new Problem(EMPTY)
  if (isInQuotes(host)) return new Problem(QUOTED)
  if (host.includes('://')) return new Problem('must be a host alone, without a scheme (…://)')
  if (/[@/?#\\]/.test(host)) {
    return new Problem('must be a host alone, without a login, a path or a query')
  }
  if (isIpv6(host)) return { host }
  const [, address, name = '', digits] = HOST_AND_PORT.exec(host) ?? []
  if (address === undefined ? !isName(name) : !isIpv6(address)) return new Problem(NO_HOST)
  const found = address ?? name
  if (digits === undefined) return { host: found }
  const port = Number(digits)
  if (port < 1 || port > MAX_PORT) {
    return new Problem(`must have a port from 1 to ${MAX_PORT} behind its colon`)
  }
  return { host: found, port }
}

const HOST_AND_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::(\d{1,9}))?$/
const NO_HOST = 'must be a host name or an IP address; a name of other letters is written as xn--…'

const isIpv6 = (text: string): boolean =>
  /^[\da-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]`)

/** Compose allows `_` in the name of a service. */
const isLabel = (text: string): boolean => /^[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?$/i.test(text)
const IPV4 = /^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.|$)){4}$/

function isName(host: string): boolean {
  if (IPV4.test(host) && !host.endsWith('.')) return true
  const labels = host.replace(/\.$/, '').split('.')
  // The resolver takes `5672` and `127.1` for addresses of IPv4: that is a port or a slip.
  const isNumeric = /^(\d+|0x[\da-f]*)$/i.test(labels.at(-1) ?? '')
  const isLong = host.length > 253
  // The parser of URLs also knows which xn--… is no name.
  return !isLong && !isNumeric && labels.every(isLabel) && URL.canParse(`http://${host}`)
}

export const host = parsedBy(parseHost)

/** `tcp://10.0.0.1:6379`: Kubernetes sets REDIS_PORT to it where a Service is named `redis`. */
const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\/\S+:(\d{1,5})$/

export const port = (min: number) =>
  parsedBy((value): Port | Problem => {
    const [, ofService] = SERVICE_LINK.exec(value) ?? []
    const parsed = v.safeParse(integer(min, MAX_PORT), ofService ?? value, { abortPipeEarly: true })
    if (parsed.success) return { port: parsed.output, isServiceLink: ofService !== undefined }
    return new Problem(parsed.issues[0]?.message ?? BLANKS_AROUND)
  })

export interface Address {
  readonly host: string
  readonly port: number
}

/** A host and a port from two variables, as `<name>_HOST` and `<name>_PORT` have them. */
export function addressOf(
  name: string,
  given: { readonly host: Host | undefined; readonly port: Port | undefined },
  defaults: Address,
): Address | Problem {
  const host = given.host?.host ?? defaults.host
  const ofHost = given.host?.port
  const { port: ofPort, isServiceLink = false } = given.port ?? {}
  if (isServiceLink) {
    // With a host of its own, the link and no variable at all would mean the same port.
    const isDefault = given.host !== undefined && ofPort === defaults.port
    if (ofHost !== undefined || isDefault) return { host, port: ofHost ?? defaults.port }
    return new Problem(
      `${name}_PORT must be a port and not an address. Kubernetes sets it for a Service of that ` +
        `name: set ${name}_HOST and ${name}_PORT yourself, or enableServiceLinks: false in the pod`,
    )
  }
  if (ofHost !== undefined && ofPort !== undefined && ofHost !== ofPort) {
    return new Problem(`${name}_HOST must not have another port than ${name}_PORT`)
  }
  return { host, port: ofHost ?? ofPort ?? defaults.port }
}

/** As a URL has it: an address of IPv6 is in brackets there. */
export const hostInUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)
